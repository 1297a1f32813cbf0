"""The generated problems: right, seeded, held out, and readable by the tokenizer."""

from __future__ import annotations

import json
import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.builtin_models import (
    BUILTIN,
    KINDS,
    final_answer,
    is_builtin,
    model_path,
    problems,
    split_of,
    write_jsonl,
)
from tuner.builtin_models.problems import ALPHABET, LONGEST
from tuner.errors import UserError


def _pick(total: int, *listed: int) -> str:
    (pair,) = [f"{x}+{y}" for i, x in enumerate(listed) for y in listed[i + 1 :] if x + y == total]
    return pair


def _expected(kind: str, prompt: str) -> str:
    """Solve a prompt from its text alone, without the generator."""
    words = prompt.removesuffix(":").split()
    numbers = [int(n) for n in re.findall(r"\d+", prompt)]
    solve = {
        "add": lambda: str(sum(numbers)),
        "sort": lambda: "".join(sorted(words[1])),
        "reverse": lambda: "".join(reversed(words[1])),
        "replace": lambda: words[5].replace(words[1], words[3]),
        "repeat": lambda: words[1] * numbers[0],
        "count": lambda: str(words[3].count(words[1])),
        "word": lambda: str(
            numbers[0] * numbers[1]
            if "bags" in words
            else numbers[0] + (-1 if "lost" in words else 1) * numbers[1]
        ),
        "pick": lambda: _pick(*numbers),
    }
    return solve[kind]()


@given(split=st.sampled_from(("train", "tune", "verify")), seed=st.integers(0, 2**32))
def test_every_answer_is_right_and_fits(split, seed):
    for problem in problems(split, seed, 16):
        assert problem.answer == _expected(problem.kind, problem.prompt)
        assert final_answer(problem.completion) == problem.answer
        assert len(problem.prompt + problem.completion) <= LONGEST
        assert set(problem.prompt + problem.completion) <= set(ALPHABET)
        assert problem.prompt.endswith(":")


@settings(max_examples=5)
@given(seeds=st.lists(st.integers(0, 2**32), min_size=3, max_size=3))
def test_no_prompt_is_in_two_splits(seeds):
    prompts = [
        {p.prompt for p in problems(split, seed, 200)}
        for split, seed in zip(("train", "tune", "verify"), seeds, strict=True)
    ]
    for split, group in zip(("train", "tune", "verify"), prompts, strict=True):
        assert {split_of(prompt) for prompt in group} == {split}
    assert not prompts[0] & prompts[1]
    assert not (prompts[0] | prompts[1]) & prompts[2]


def test_problems_differ_are_seeded_and_a_larger_number_only_adds():
    some, more = problems("tune", 3, 100), problems("tune", 3, 400)
    assert more[:100] == some
    assert len({p.prompt for p in more}) == 400
    assert set(Counter(p.kind for p in more).values()) == {50}
    assert problems("tune", 4, 100) != some


def test_kinds_can_be_chosen_and_wrong_arguments_are_refused():
    assert {p.kind for p in problems("tune", 0, 10, ("add", "sort"))} == {"add", "sort"}
    with pytest.raises(ValueError, match="unknown split"):
        problems("test", 0, 1)
    with pytest.raises(ValueError, match="kinds must be some of add"):
        problems("tune", 0, 1, ("divide",))
    with pytest.raises(ValueError, match="at least 0"):
        problems("tune", 0, -1)


def test_right_answers_repeat_themselves_and_are_of_many_lengths():
    chosen = problems("verify", 0, 400)
    lengths = [len(p.completion) for p in chosen]
    assert min(lengths) <= 5
    assert max(lengths) >= 25
    repeating = sum(len(set(p.completion)) < len(p.completion) for p in chosen)
    assert repeating > 0.8 * len(chosen)


def test_the_json_lines_hold_prompt_answer_grader_and_kind(tmp_path):
    chosen = problems("tune", 0, len(KINDS))
    write_jsonl(tmp_path / "prompts.jsonl", chosen)
    lines = [json.loads(x) for x in (tmp_path / "prompts.jsonl").read_text().splitlines()]
    assert lines == [
        {"prompt": p.prompt, "answer": p.answer, "grader": "final", "kind": p.kind} for p in chosen
    ]


def test_a_built_in_model_is_found_by_name_with_or_without_prefix():
    for name in BUILTIN:
        assert model_path(name) == model_path(f"builtin:{name}")
        assert is_builtin(f"builtin:{name}")
    assert not is_builtin("org/model")
    with pytest.raises(UserError, match=r"no built-in model 'builtin:huge'; choose .*large"):
        model_path("builtin:huge")
