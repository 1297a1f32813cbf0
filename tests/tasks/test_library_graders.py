"""Graders and tasks of other libraries: what they say, and what is said where they are missing."""

from __future__ import annotations

import importlib.util
import json
import sys

import pytest

from tuner.errors import UserError
from tuner.tasks import grader_named, read_task
from tuner.tasks.named import grader_named as cached

TASK = """
task: capitals
dataset_path: json
dataset_kwargs:
  data_files: {test: capitals.jsonl}
test_split: test
doc_to_text: "Q: What is the capital of {{country}}? A:"
doc_to_target: "{{capital}}"
generation_kwargs: {until: ["\\n"]}
metric_list:
  - {metric: exact_match, aggregation: mean, higher_is_better: true, ignore_case: true}
filter_list:
  - name: word
    filter:
      - {function: regex, regex_pattern: "([A-Z][a-z]+)"}
      - {function: take_first}
"""
CAPITALS = {"France": "Paris", "Norway": "Oslo", "Peru": "Lima", "Chad": "N'Djamena"}

needs_rouge = pytest.mark.skipif(
    importlib.util.find_spec("rouge_score") is None, reason="needs rouge-score"
)
needs_harness = pytest.mark.skipif(
    importlib.util.find_spec("lm_eval") is None, reason="needs lm_eval"
)


@needs_rouge
@pytest.mark.parametrize(
    ("name", "completion", "answer", "score"),
    [
        ("rouge1", "The cat sat.", "the cat sat", 1),
        ("rouge1", "the dog", "the cat", 0.5),
        ("rouge2", "the cat sat", "the cat ran", 0.5),
        ("rougeL", "a b c d", "a x b y c z d", 8 / 11),
        ("rougeL", "", "the cat", 0),
        ("rouge1", "cats running", "cat runs", 1),  # with stemming
    ],
)
def test_rouge_is_the_f_measure(name, completion, answer, score):
    assert grader_named(name)(completion, answer) == pytest.approx(score)


@pytest.fixture
def task_file(tmp_path):
    lines = [json.dumps({"country": c, "capital": k}) for c, k in CAPITALS.items()]
    (tmp_path / "capitals.jsonl").write_text("\n".join(lines))
    path = tmp_path / "capitals.yaml"
    path.write_text(TASK)
    return path


@needs_harness
def test_a_task_of_the_evaluation_harness_asks_and_grades_as_it_does(task_file):
    task = read_task(task_file, n=3)
    assert len(task) == 3
    full = read_task(task_file)
    answers = {f"Q: What is the capital of {c}? A:": k for c, k in CAPITALS.items()}
    assert {p.prompt: p.answers[0] for p in full.prompts} == answers
    short = [p for p in full.prompts if p.answers[0] != "N'Djamena"]
    for prompt in short:
        right = prompt.answers[0]
        assert prompt.grade(f" {right}.\nLondon") == 1
        assert prompt.grade(f"\n{right}") == 0  # after the stop word
        assert prompt.grade("London") == 0
    assert full == read_task(task_file) or full.requests == read_task(task_file).requests


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("dataset_path: json", "dataset_path: gsm8k"), "nothing is fetched"),
        (("capitals.jsonl", "absent.jsonl"), "no data file absent.jsonl"),
        (("task: capitals", "include: other.yaml"), "one whole task"),
        (("task: capitals", "task: !function x.y"), "run code"),
        (("task: capitals", "output_type: multiple_choice"), "generate_until"),
    ],
)
def test_a_task_that_cannot_be_used_says_why(task_file, change, words):
    task_file.write_text(TASK.replace(*change))
    with pytest.raises(UserError, match="capitals") as caught:
        read_task(task_file)
    assert words in str(caught.value)


def test_what_is_not_installed_is_named_with_its_remedy(task_file, monkeypatch):
    for module in ("rouge_score", "rouge_score.rouge_scorer", "lm_eval", "lm_eval.api.task"):
        monkeypatch.setitem(sys.modules, module, None)
    from tuner.tasks.rouge import _scorer

    _scorer.cache_clear()
    cached.cache_clear()
    with pytest.raises(UserError, match="pip install 'llm-pareto-tuner\\[rouge\\]'"):
        grader_named("rougeL")
    with pytest.raises(UserError, match="pip install 'llm-pareto-tuner\\[lm-eval\\]'"):
        read_task(task_file)
