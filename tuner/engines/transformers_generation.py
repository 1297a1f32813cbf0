"""Generation in the child: settings in force, batches, and the time of each token."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from transformers import CompileConfig, GenerationConfig, StoppingCriteria, StoppingCriteriaList

from tuner.engines.transformers_models import LoadedModel
from tuner.workloads import Request

_SAMPLING = (
    "temperature",
    "top_k",
    "top_p",
    "top_h",
    "min_p",
    "typical_p",
    "epsilon_cutoff",
    "eta_cutoff",
)
_BEAMS = ("length_penalty", "early_stopping")


def effective_config(loaded: LoadedModel, request: Mapping[str, Any]) -> GenerationConfig:
    """The checkpoint's generation settings, overruled by the request.

    What the checkpoint sets for sampling (or beams) is left out where the request does not sample
    (or has one beam). A name `cache_config.x` sets `x` in the dictionary `cache_config`, and
    `compile` asks for compilation on every device.

    Raises:
        ValueError: transformers knows no such setting.
    """
    config = copy.deepcopy(loaded.checkpoint)
    request = dict(request)
    if not request.get("do_sample", config.do_sample):
        _unset(config, _SAMPLING)
    if (request.get("num_beams", config.num_beams) or 1) == 1:
        _unset(config, _BEAMS)
    if request.pop("compile", False):
        config.compile_config = CompileConfig(mode="default")
        config.compile_config._compile_all_devices = True
    cache_config = {
        name.partition(".")[2]: request.pop(name)
        for name in list(request)
        if name.startswith("cache_config.")
    }
    if cache_config:
        config.cache_config = cache_config
    unknown = config.update(**request)
    if unknown:
        raise ValueError(f"unknown generation settings: {', '.join(sorted(unknown))}")
    if config.pad_token_id is None:
        config.pad_token_id = loaded.tokenizer.pad_token_id
    return config


def set_assistant(assistant: LoadedModel, request: Mapping[str, Any]) -> None:
    """Give the assistant the settings that it reads from its own configuration."""
    config = copy.deepcopy(assistant.checkpoint)
    config.update(**{name: value for name, value in request.items() if "assistant" in name})
    assistant.model.generation_config = config


def answer(
    loaded: LoadedModel,
    assistant: LoadedModel | None,
    requests: Sequence[Request],
    *,
    batch_size: int,
    seconds: float | None,
    chat_template: bool | None,
    trust_remote_code: bool,
    beat: Callable[[], bool],
) -> list[dict[str, Any]]:
    """Answer requests batch by batch; no further batch begins after `seconds`.

    A batch goes on until the longest of its answers may end, or until `beat` says no: then this
    batch is given up, and no other begins.

    Returns:
        the fields of `tuner.measure.Completion` for each request answered.
    """
    began = time.perf_counter()
    extra: dict[str, Any] = {"trust_remote_code": True} if trust_remote_code else {}
    if assistant is not None:
        extra["assistant_model"] = assistant.model
        if assistant.model.config.vocab_size != loaded.model.config.vocab_size:
            extra |= {"tokenizer": loaded.tokenizer, "assistant_tokenizer": assistant.tokenizer}
    completions: list[dict[str, Any]] = []
    for start in range(0, len(requests), batch_size):
        if seconds is not None and start and time.perf_counter() - began >= seconds:
            break
        batch = requests[start : start + batch_size]
        answers = _answer_batch(loaded, batch, extra, chat_template, beat)
        if not beat():
            break
        completions += answers
    return completions


def _answer_batch(
    loaded: LoadedModel,
    batch: Sequence[Request],
    extra: Mapping[str, Any],
    chat_template: bool | None,
    beat: Callable[[], bool],
) -> list[dict[str, Any]]:
    began = time.perf_counter()
    model = loaded.model
    inputs = _encode(loaded, [request.prompt for request in batch], chat_template)
    clock = _StepClock(model.device.type, beat)
    config = model.generation_config
    if config.cache_implementation != "paged":  # continuous batching takes no stopping criteria
        extra = {**extra, "stopping_criteria": StoppingCriteriaList([clock])}
    output = model.generate(**inputs, **_lengths(batch), **extra)
    output = output.reshape(-1, output.shape[-1])
    # With several sequences returned for a prompt, the first is the best.
    generated = output[:: output.shape[0] // len(batch), inputs["input_ids"].shape[1] :].tolist()
    # What a request gets beyond its own length, while others of its batch go on, is no answer.
    rows = [row[: request.max_tokens] for row, request in zip(generated, batch, strict=True)]
    texts = loaded.tokenizer.batch_decode(rows, skip_special_tokens=True)
    latency = time.perf_counter() - began
    first_step = inputs["input_ids"].shape[1] + 1
    lengths = inputs["attention_mask"].sum(dim=1).tolist()
    completions = []
    for text, row, n_prompt in zip(texts, rows, lengths, strict=True):
        n, stopped = _count_tokens(row, config)
        ttft, last = clock.at(first_step), clock.at(first_step + n - 1)
        if (config.num_beams or 1) > 1:
            ttft, last = latency + began, None  # no token is final before the search has ended
        completions.append(
            {
                "text": text,
                "n_prompt_tokens": n_prompt,
                "n_output_tokens": n,
                "ttft_s": None if ttft is None else ttft - began,
                "last_token_s": None if last is None else last - began,
                "latency_s": latency,
                "finish_reason": "stop" if stopped else "length",
            }
        )
    return completions


def _lengths(batch: Sequence[Request]) -> dict[str, int]:
    """Bounds on the new tokens of a batch, where all of its requests set any.

    Where each has to have a certain length, all go on until the longest has its own.
    """
    most = [r.max_tokens for r in batch if r.max_tokens is not None]
    least = [r.min_tokens for r in batch if r.min_tokens is not None]
    bounds = {}
    if len(most) == len(batch):
        bounds["max_new_tokens"] = max(most)
    if len(least) == len(batch):
        bounds["min_new_tokens"] = max(least) if least == most else min(least)
    return bounds


def _encode(loaded: LoadedModel, batch: Sequence[str], chat_template: bool | None) -> Any:
    tokenizer = loaded.tokenizer
    use_template = bool(tokenizer.chat_template) if chat_template is None else chat_template
    if use_template:
        batch = [
            tokenizer.apply_chat_template(
                [{"role": "user", "content": prompt}], tokenize=False, add_generation_prompt=True
            )
            for prompt in batch
        ]
    inputs = tokenizer(
        list(batch),
        padding=True,
        return_tensors="pt",
        return_token_type_ids=False,
        add_special_tokens=not use_template,  # the template writes its own
    )
    return inputs.to(loaded.model.device)


def _count_tokens(row: list[int], config: GenerationConfig) -> tuple[int, bool]:
    """How many tokens were generated before the padding, and whether the model ended by itself."""
    ends = config.eos_token_id
    ends = set(ends if isinstance(ends, list) else [ends])
    for i, token in enumerate(row):
        if token in ends:
            return i + 1, True
    n = len(row)
    while n and row[n - 1] == config.pad_token_id:
        n -= 1
    return n, n < len(row)


def _unset(config: GenerationConfig, names: Sequence[str]) -> None:
    for name in names:
        setattr(config, name, None)


class _StepClock(StoppingCriteria):  # type: ignore[misc]
    """Notes when the sequences had reached which length; stops them all where `beat` says no."""

    def __init__(self, device: str, beat: Callable[[], bool]) -> None:
        self._synchronise = torch.cuda.synchronize if device == "cuda" else None
        self._beat = beat
        self._steps: list[tuple[float, int]] = []
        self._never = torch.zeros(0, dtype=torch.bool)

    def __call__(self, input_ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        if self._synchronise is not None:  # generate() waits for the device right after this anyway
            self._synchronise()
        self._steps.append((time.perf_counter(), input_ids.shape[1]))
        if len(self._never) != len(input_ids):
            self._never = torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)
        return self._never if self._beat() else torch.ones_like(self._never)

    def at(self, length: int) -> float | None:
        """When sequences first had `length` tokens, the prompt's included."""
        return next((at for at, reached in self._steps if reached >= length), None)
