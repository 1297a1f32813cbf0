"""What comes in pieces is put together, whatever the pieces; what is no answer is called so."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.engines.serving.stream import BrokenResponseError, StreamedResponse, refusal

USAGE = {"prompt_tokens": 5, "completion_tokens": 3}


def event(content):
    return b"data: " + json.dumps(content, ensure_ascii=False).encode() + b"\n\n"


def piece(text, **more):
    return event({"choices": [{"index": 0, "text": text, **more}]})


def outcome(parts, count=None):
    """Take parts one second apart, the first of them after one second."""
    answer = StreamedResponse(0.0, "prompt", count)
    now = 0.0
    for part in parts:
        now += 1.0
        answer.take(part, now)
    return answer.outcome(now)


WHOLE = [piece("a "), piece("b "), piece("c", finish_reason="stop"), event({"usage": USAGE})]


def test_times_and_tokens_of_a_plain_stream():
    completion = outcome(WHOLE).completion
    assert completion.text == "a b c"
    assert (completion.n_prompt_tokens, completion.n_output_tokens) == (5, 3)
    assert (completion.ttft_s, completion.last_token_s, completion.latency_s) == (1.0, 3.0, 3.0)
    assert completion.gaps_s == (1.0, 1.0)
    assert completion.finish_reason == "stop"
    assert completion.error is None


def test_a_role_is_no_token():
    role = event({"choices": [{"delta": {"role": "assistant", "content": ""}}]})
    text = event({"choices": [{"delta": {"content": "a"}, "finish_reason": "length"}]})
    usage = event({"usage": {"prompt_tokens": 5, "completion_tokens": 1}})
    completion = outcome([role, role, text, usage]).completion
    assert completion.ttft_s == 3.0


def test_thoughts_are_tokens_but_not_part_of_the_answer():
    thought = event({"choices": [{"delta": {"reasoning_content": "hm"}}]})
    text = event({"choices": [{"delta": {"content": "a"}, "finish_reason": "length"}]})
    usage = event({"usage": {"prompt_tokens": 5, "completion_tokens": 2}})
    completion = outcome([thought, text, usage]).completion
    assert completion.ttft_s == 1.0
    assert completion.text == "a"


def test_pieces_of_several_tokens_are_no_times_between_tokens():
    usage = event({"usage": {"prompt_tokens": 5, "completion_tokens": 40}})
    pieces = [piece("a" * 10) for _ in range(4)]
    found = outcome([*pieces, piece("", finish_reason="length"), usage])
    assert found.bundled
    assert found.completion.gaps_s == ()
    assert found.completion.n_output_tokens == 40
    assert (found.completion.ttft_s, found.completion.last_token_s) == (1.0, 5.0)


@pytest.mark.parametrize(("n_pieces", "ttft_s"), [(1, None), (3, 1.0)])
def test_too_few_pieces_tell_no_time_per_token(n_pieces, ttft_s):
    usage = event({"usage": {"prompt_tokens": 5, "completion_tokens": 40}})
    pieces = [piece("a" * 40) for _ in range(n_pieces)]
    completion = outcome([*pieces, piece("", finish_reason="length"), usage]).completion
    assert (completion.ttft_s, completion.last_token_s) == (ttft_s, None)
    assert completion.latency_s == n_pieces + 1


def test_without_usage_tokens_are_counted_by_the_tokenizer():
    def count(text, prompt):
        return 7 if prompt else len(text.split())

    found = outcome(WHOLE[:-1], count)
    assert found.counted
    assert found.completion.n_prompt_tokens == 7
    assert found.completion.n_output_tokens == 3 + 1  # the token that ended it is no text


@pytest.mark.parametrize(
    ("parts", "cause", "words"),
    [
        (WHOLE[:-1], "wrong_output", "no usage"),
        (WHOLE[:2], "wrong_output", "cut off after 2 pieces"),
        ([*WHOLE[:2], b"data: [DONE]\n\n"], "wrong_output", "cut off after 2 pieces"),
        ([piece("a"), b"data: {\n"], "wrong_output", "no JSON object: {"),
        ([b"data: 3\n"], "wrong_output", "no JSON object: 3"),
        ([event({"choices": [3]})], "wrong_output", "unknown form"),
        ([b'{"choices": []}'], "wrong_output", "no stream of events"),
        ([], "wrong_output", "no stream of events"),
        ([piece("a", finish_reason="abort")], "crash", "'abort'"),
        ([event({"error": {"message": "it broke", "code": 500}})], "crash", "it broke"),
        ([event({"error": {"message": "no", "code": 400}})], "refused", "no"),
        ([event({"error": "CUDA out of memory"})], "out_of_memory", "CUDA"),
        ([b'error: {"message": "slot"}\n'], "crash", "slot"),
        (
            [piece("a", finish_reason="stop"), event({"usage": {**USAGE, "completion_tokens": 0}})],
            "wrong_output",
            "no tokens",
        ),
    ],
)
def test_what_is_no_answer_has_a_cause(parts, cause, words):
    with pytest.raises(BrokenResponseError, match=words) as caught:
        outcome(parts)
    assert caught.value.cause == cause


@pytest.mark.parametrize(
    ("status", "content", "cause", "words"),
    [
        (404, b'{"error": {"message": "no such model"}}', "refused", "404: no such model"),
        (422, b'{"detail": "unexpected fields"}', "refused", "unexpected fields"),
        (400, b'{"object": "error", "message": "too long"}', "refused", "too long"),
        (500, b"Internal Server Error", "crash", "500: Internal Server Error"),
        (503, b"", "crash", "503: nothing"),
        (500, b'{"error": "CUDA out of memory"}', "out_of_memory", "out of memory"),
    ],
)
def test_a_status_other_than_200_has_a_cause(status, content, cause, words):
    broken = refusal(status, content)
    assert broken.cause == cause
    assert words in str(broken)


texts = st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=6)


@given(texts, st.lists(st.integers(0, 10_000), max_size=12), st.sampled_from([b"\n", b"\r\n"]))
def test_it_does_not_matter_where_the_bytes_are_cut(words, cuts, newline):
    usage = event({"usage": {"prompt_tokens": 5, "completion_tokens": len(words)}})
    stream = b"".join([*map(piece, words), piece("", finish_reason="stop"), usage])
    stream = (b": ping\n\n" + stream).replace(b"\n", newline)
    places = sorted({0, len(stream), *(cut % len(stream) for cut in cuts)})
    parts = [stream[a:b] for a, b in pairwise(places)]
    completion = outcome(parts).completion
    assert completion.text == "".join(words)
    assert completion.n_output_tokens == len(words)
    assert completion.finish_reason == "stop"
    assert 0 < completion.ttft_s <= completion.latency_s


@given(texts, st.data())
def test_a_stream_that_ends_early_is_never_an_answer(words, data):
    stream = b"".join([*map(piece, words), piece("", finish_reason="stop")])
    end = data.draw(st.integers(0, len(stream) - 4))  # the last bytes are `}` and line ends
    with pytest.raises(BrokenResponseError):
        outcome([stream[:end]], lambda text, _: len(text))
