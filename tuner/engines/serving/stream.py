"""One streamed answer: from the pieces that come in to times and tokens, or to what is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

from tuner.engines.failure_log import is_out_of_memory
from tuner.measure.engine_protocol import Completion
from tuner.measure.measurement import Cause

_WHOLE: dict[str, Literal["stop", "length"]] = {
    "stop": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "stop_sequence": "stop",
    "tool_calls": "stop",
    "function_call": "stop",
    "length": "length",
    "limit": "length",
}
_SINGLE = 0.9
"""With fewer pieces than this share of the tokens, pieces hold several tokens each."""
_FEW = 4
"""With fewer pieces than that the first one holds so many tokens that times per token mislead."""
_QUOTED = 300


class BrokenResponseError(Exception):
    """An answer that is none: the fault and its kind."""

    def __init__(self, cause: Cause, words: str) -> None:
        super().__init__(words)
        self.cause: Cause = cause


@dataclass(frozen=True)
class RequestOutcome:
    """What became of one request.

    Attributes:
        completion: with its error where there was one.
        cause: of the error, in the terms of failures.
        bundled: whether there were fewer pieces than tokens, so that gaps are none of tokens.
        counted: whether the tokens were counted here, since the server does not tell them.

    """

    completion: Completion
    cause: Cause | None = None
    bundled: bool = False
    counted: bool = False


def failed(cause: Cause, words: str, seconds: float) -> RequestOutcome:
    """The outcome of a request without a whole answer."""
    nothing = Completion(
        text="",
        n_prompt_tokens=0,
        n_output_tokens=0,
        ttft_s=None,
        last_token_s=None,
        latency_s=seconds,
        finish_reason="length",
        error=words,
    )
    return RequestOutcome(nothing, cause)


class StreamedResponse:
    """Collects the events of one stream.

    Args:
        began: the time from which everything is counted.
        prompt: what was asked.
        count: counts tokens where the server tells no usage; None cannot.

    """

    def __init__(self, began: float, prompt: str, count: Callable[[str, bool], int] | None) -> None:
        self._began = began
        self._prompt = prompt
        self._count = count
        self._rest = b""
        self._text: list[str] = []
        self._hidden: list[str] = []  # thoughts and calls of tools: tokens, but not of the answer
        self._pieces: list[float] = []
        self._finish: str | None = None
        self._finished = 0.0
        self._usage: dict[str, Any] = {}
        self._events = 0
        self._first_words = b""

    def take(self, data: bytes, now: float) -> bool:
        """Take bytes as they come; tell whether there was an event among them.

        Raises:
            BrokenResponseError: the server reports an error, or what came is no event.
        """
        self._first_words = (self._first_words + data)[:_QUOTED]
        events = self._events
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._take_line(line.strip(), now)
        return self._events > events

    def outcome(self, now: float) -> RequestOutcome:
        """What came of it, the stream being over.

        Raises:
            BrokenResponseError: the answer is not whole, or nobody knows its tokens.
        """
        self._take_line(self._rest.strip(), now)
        if not self._events:
            raise BrokenResponseError(
                "wrong_output", f"no stream of events: {_quote(self._first_words)}"
            )
        if self._finish is None:
            raise BrokenResponseError(
                "wrong_output", f"cut off after {len(self._pieces)} pieces, without a finish_reason"
            )
        if self._finish not in _WHOLE:
            raise BrokenResponseError("crash", f"ended with the finish_reason {self._finish!r}")
        n_prompt, n_output, counted = self._tokens(_WHOLE[self._finish])
        pieces = self._pieces
        bundled = len(pieces) < _SINGLE * (n_output - 1)
        told_first = bool(pieces) and not (bundled and len(pieces) == 1)
        told_last = not (bundled and len(pieces) < _FEW)
        latency = self._finished - self._began
        completion = Completion(
            text="".join(self._text),
            n_prompt_tokens=n_prompt,
            n_output_tokens=n_output,
            ttft_s=pieces[0] - self._began if told_first else None,
            last_token_s=latency if told_last else None,
            latency_s=latency,
            finish_reason=_WHOLE[self._finish],
            gaps_s=() if bundled else tuple(late - early for early, late in pairwise(pieces)),
        )
        return RequestOutcome(completion, bundled=bundled, counted=counted)

    def _take_line(self, line: bytes, now: float) -> None:
        field, colon, value = line.partition(b":")
        if not colon or field not in (b"data", b"error"):
            return  # a comment that keeps the connection alive, the name of an event, no event
        value = value.strip()
        if not value:
            return
        self._events += 1
        if value == b"[DONE]":
            return
        event = _parsed(value)
        if field == b"error":  # older servers of llama.cpp
            raise _reported(event)
        if event.get("error"):
            raise _reported(event["error"])
        if isinstance(event.get("usage"), dict):
            self._usage = event["usage"]
        try:
            for choice in event.get("choices") or ():
                if not choice.get("index"):  # others are further answers to the same request
                    self._take_choice(choice, now)
        except (AttributeError, KeyError, TypeError):
            words = f"an event of an unknown form: {_quote(value)}"
            raise BrokenResponseError("wrong_output", words) from None

    def _take_choice(self, choice: dict[str, Any], now: float) -> None:
        delta = choice.get("delta") or {}
        text = choice.get("text") or delta.get("content") or ""
        hidden = delta.get("reasoning_content") or delta.get("reasoning") or ""
        calls = delta.get("tool_calls")
        if text or hidden or calls:
            self._text.append(text)
            self._hidden.append(hidden or json.dumps(calls) if hidden or calls else "")
            self._pieces.append(now)
        if reason := choice.get("finish_reason"):
            self._finish = str(reason["type"] if isinstance(reason, dict) else reason)
            self._finished = now

    def _tokens(self, finish: Literal["stop", "length"]) -> tuple[int, int, bool]:
        """Tokens of prompt and answer, and whether they were counted here."""
        n_prompt, n_output = (self._usage.get(f"{of}_tokens") for of in ("prompt", "completion"))
        text = "".join(self._text) + "".join(self._hidden)
        if isinstance(n_prompt, int) and isinstance(n_output, int):
            if n_output < 1 and text:
                raise BrokenResponseError("wrong_output", "the usage tells no tokens for a text")
            return n_prompt, n_output, False
        if self._count is None:
            raise BrokenResponseError(
                "wrong_output", "no usage was told, and no tokenizer is here to count the tokens"
            )
        ends = 1 if finish == "stop" else 0  # the token that ended it is no text
        return self._count(self._prompt, True), self._count(text, False) + ends, True


def _parsed(value: bytes) -> dict[str, Any]:
    try:
        event = json.loads(value)
    except ValueError:
        event = None
    if not isinstance(event, dict):
        raise BrokenResponseError(
            "wrong_output", f"an event that is no JSON object: {_quote(value)}"
        )
    return event


def _reported(error: Any) -> BrokenResponseError:
    """The server's own report of an error in a stream that began well."""
    words, code = error, None
    if isinstance(error, dict):
        words, code = error.get("message") or json.dumps(error), error.get("code")
    words = str(words)[:_QUOTED]
    if is_out_of_memory(words):
        return BrokenResponseError("out_of_memory", words)
    refused = isinstance(code, int) and 400 <= code < 500
    return BrokenResponseError("refused" if refused else "crash", words)


def refusal(status: int, content: bytes) -> BrokenResponseError:
    """What a status other than 200 means."""
    words = f"HTTP status {status}: {_quote(content)}"
    if is_out_of_memory(words):
        return BrokenResponseError("out_of_memory", words)
    return BrokenResponseError("refused" if status in (400, 404, 405, 413, 422) else "crash", words)


def _quote(content: bytes) -> str:
    words = next(_words_of(content), "")
    return words[:_QUOTED] or "nothing"


def _words_of(content: bytes) -> Iterator[str]:
    """The message in an error's JSON, or the text as it is."""
    text = content.decode(errors="replace").strip()
    try:
        told = json.loads(text)
    except ValueError:
        told = None
    while isinstance(told, dict):
        inner = next((told[k] for k in ("error", "message", "detail") if told.get(k)), None)
        if isinstance(inner, str):
            yield inner
        told = inner
    yield text
