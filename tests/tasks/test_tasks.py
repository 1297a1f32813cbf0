"""What a user relies on when a task is read and graded."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.errors import UserError
from tuner.tasks import GRADERS, Prompt, Task, builtin_task, read_task

CASES = [
    # grader, completion, answer, score
    ("exact", " 42\n", "42", 1),
    ("exact", "42.", "42", 0),
    ("normalised", "The Eiffel  Tower!", "eiffel tower", 1),
    ("normalised", "Eiffel towers", "Eiffel tower", 0),
    ("choice", "B", "B", 1),
    ("choice", "(b) because it is", "B", 1),
    ("choice", "I think A is tempting, but the answer is (C).", "C", 1),
    ("choice", "the answer is A, no, the answer is D", "D", 1),
    ("choice", "Either of them; I take (B)", "B", 1),
    ("choice", "A", "B", 0),
    ("choice", "Because", "B", 0),
    ("choice", "", "A", 0),
    ("number", "so 3 + 4 makes 7.", "7", 1),
    ("number", "1,234,567 people", "1234567", 1),
    ("number", "x = -2.50", "-2.5", 1),
    ("number", "it is 1e3", "1000", 1),
    ("number", "7 or 8", "7", 0),
    ("number", "-7", "7", 0),
    ("number", "seven", "7", 0),
    ("regex", "call me at 555-1234", r"\d{3}-\d{4}", 1),
    ("regex", "call me", r"\d{3}-\d{4}", 0),
    ("contains", "It was Paris, of course", "paris", 1),
    ("contains", "Parisian", "Paris", 0),
    ("final", "07 12=127", "127", 1),
    ("final", "abc", "abc", 1),
    ("final", "127=1", "127", 0),
]


@pytest.mark.parametrize(("grader", "completion", "answer", "score"), CASES)
def test_a_grader_accepts_what_is_right_and_refuses_what_is_not(grader, completion, answer, score):
    assert GRADERS[grader](completion, answer) == score


def test_every_grader_is_shown_to_accept_and_to_refuse():
    assert {(grader, score) for grader, _, _, score in CASES} == {
        (grader, score) for grader in GRADERS for score in (0, 1)
    }


@given(st.text(), st.text(min_size=1), st.sampled_from([g for g in GRADERS if g != "regex"]))
def test_any_text_gets_a_score_between_0_and_1(completion, answer, grader):
    assert 0 <= GRADERS[grader](completion, answer) <= 1


@given(st.integers(-(10**9), 10**9))
def test_a_number_is_found_however_it_is_written(value):
    for text in (f"{value}", f"{value:,}", f"it is {value}.0"):
        assert GRADERS["number"](text, str(value)) == 1


def test_agreeing_with_any_answer_is_right():
    prompt = Prompt("capital?", ("Paris", "Lutetia"), "exact")
    assert [prompt.grade(text) for text in ("Lutetia", "Rome")] == [1, 0]


def test_the_first_prompts_can_be_graded_alone():
    task = Task("t", (Prompt("a", ("1",)), Prompt("b", ("2",))))
    assert task.grade(["1"]) == (1.0,)
    assert task.grade(["1", "1"]) == (1.0, 0.0)
    with pytest.raises(ValueError, match="3 completions of 2 prompts"):
        task.grade(["1", "1", "1"])


def test_a_file_is_read_with_its_defaults(tmp_path):
    path = tmp_path / "mine.jsonl"
    path.write_text(
        '\ufeff{"prompt": "p", "answer": 4, "grader": "number", "extra": 1}\n\n'
        '{"prompt": "q", "answer": ["x", "y"], "kind": "k"}',
        encoding="utf-8",
    )
    task = read_task(path)
    assert task.name == "mine"
    assert set(task.prompts) == {
        Prompt("p", ("4",), "number"),
        Prompt("q", ("x", "y"), "normalised", "k"),
    }


def test_the_order_is_shuffled_by_the_seed_alone(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text("".join(f'{{"prompt": "{i}", "answer": "{i}"}}\n' for i in range(50)))
    first, again, other = read_task(path), read_task(path), read_task(path, seed=1)
    assert first == again
    assert first.requests != other.requests
    assert set(first.requests) == set(other.requests)
    assert read_task(path, n=7) == first.select(range(7))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"prompt": "p", "answer": }', "line 2, column 27"),
        ("[1]", "a list where an object is needed"),
        ('{"answer": "a"}', '"prompt" must be a non-empty text'),
        ('{"prompt": "p"}', 'no "answer"'),
        ('{"prompt": "p", "answer": null}', "not null"),
        ('{"prompt": "p", "answer": []}', "not a list"),
        ('{"prompt": "p", "answer": true}', "not true or false"),
        ('{"prompt": "p", "answer": "a", "grader": "exakt"}', "there are exact, normalised"),
        ('{"prompt": "p", "answer": "(", "grader": "regex"}', "no regular expression"),
        ('{"prompt": "p", "answer": "x", "grader": "number"}', "holds no number"),
        ('{"prompt": "p", "answer": "a", "kind": 1}', '"kind" must be a text'),
    ],
)
def test_a_broken_line_is_named_with_its_remedy(tmp_path, line, words):
    path = tmp_path / "broken.jsonl"
    path.write_text(json.dumps({"prompt": "p", "answer": "a"}) + "\n" + line + "\n")
    with pytest.raises(UserError, match="line 2") as caught:
        read_task(path)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_missing_an_empty_and_a_binary_file_are_told_apart(tmp_path):
    with pytest.raises(UserError, match="no prompts file"):
        read_task(tmp_path / "absent.jsonl")
    (tmp_path / "empty.jsonl").write_text("\n\n")
    with pytest.raises(UserError, match="has no prompts"):
        read_task(tmp_path / "empty.jsonl")
    (tmp_path / "binary.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="not UTF-8"):
        read_task(tmp_path / "binary.jsonl")
    with pytest.raises(UserError, match="cannot be read"):
        read_task(tmp_path)


def test_builtin_problems_grade_their_own_completions_and_are_held_out():
    from tuner.builtin_models.problems import problems

    tune, verify = builtin_task("tune", 64), builtin_task("verify", 64)
    assert not set(tune.requests) & set(verify.requests)
    assert {prompt.kind for prompt in tune.prompts} == {p.kind for p in problems("tune", 0, 64)}
    completions = {p.prompt: p.completion for p in problems("tune", 0, 64)}
    assert (
        tune.grade([completions[text] for text in (r.prompt for r in tune.requests)]) == (1.0,) * 64
    )
    assert builtin_task("tune", 64) == tune
