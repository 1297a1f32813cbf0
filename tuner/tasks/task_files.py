"""Tasks from files of JSON lines."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

from tuner.errors import UserError
from tuner.tasks.evaluation_harness import read_harness_task
from tuner.tasks.graders import number
from tuner.tasks.named import grader_named, runs_code
from tuner.tasks.task import Prompt, Task
from tuner.workloads.jsonl import json_object, kind_of, lines, prompt_in

_EXAMPLE = '{"prompt": "2+2=", "answer": "4", "grader": "number"}'


def read_task(
    path: str | Path, *, n: int | None = None, seed: int = 0, allow_code: bool = False
) -> Task:
    """Read a task from a file with one JSON object a line, or a YAML file of `lm_eval`.

    Keys: `prompt` (text), `answer` (text, number, or a list of them of which any is right),
    `grader` (a name as in `grader_named`; `normalised` if absent), `kind` (text, optional). Other
    keys and empty lines are skipped.

    Args:
        path: the file.
        n: keep only so many prompts; None keeps all.
        allow_code: whether graders may run code: generated answers (`tests`), or a function of the
            user's (`python:MODULE:FUNCTION`).
        seed: of the order, so that the first prompts are a fair sample of a sorted file.

    Raises:
        UserError: naming file and line, and what to write instead.
    """
    path = Path(path)
    if path.suffix in (".yaml", ".yml"):
        return read_harness_task(path, n=n, seed=seed)
    prompts = [
        _parse(line, f"{path}, line {number}", allow_code)
        for number, line in enumerate(lines(path, "prompts file"), start=1)
        if line.strip()
    ]
    if not prompts:
        raise UserError(f"{path} has no prompts; write one JSON object a line: {_EXAMPLE}")
    random.Random(seed).shuffle(prompts)
    return Task(path.stem, tuple(prompts[:n]))


def _parse(line: str, where: str, allow_code: bool) -> Prompt:
    entry = json_object(line, where, _EXAMPLE)
    prompt = prompt_in(entry, where, _EXAMPLE)
    grader = entry.get("grader", "normalised")
    _check_grader(grader, where, allow_code)
    kind = entry.get("kind", "")
    if not isinstance(kind, str):
        raise UserError(f'{where}: "kind" must be a text, not {kind_of(kind)}')
    return Prompt(prompt, _answers(entry, grader, where), grader, kind)


def _check_grader(name: Any, where: str, allow_code: bool) -> None:
    if not isinstance(name, str):
        raise UserError(f'{where}: "grader" must be a text, not {kind_of(name)}')
    if runs_code(name) and not allow_code:
        raise UserError(
            f"{where}: the grader {name} runs code that nobody has looked at, which has to be "
            "allowed with --allow-code"
        )
    try:
        grader_named(name)
    except UserError as error:
        raise UserError(f"{where}: {error}") from None


def _answers(entry: dict[str, Any], grader: str, where: str) -> tuple[str, ...]:
    if "answer" not in entry:
        raise UserError(f'{where}: no "answer"; add the right answer, as in {_EXAMPLE}')
    given = entry["answer"]
    answers = given if isinstance(given, list) else [given]
    if not answers or not all(
        isinstance(a, str | int | float) and not isinstance(a, bool) for a in answers
    ):
        raise UserError(
            f'{where}: "answer" must be a text, a number or a list of them, not {kind_of(given)}'
        )
    texts = tuple(str(answer) for answer in answers)
    for text in texts:
        _check_answer(text, grader, where)
    return texts


def _check_answer(text: str, grader: str, where: str) -> None:
    if grader == "regex":
        try:
            re.compile(text)
        except re.error as error:
            raise UserError(f"{where}: {text!r} is no regular expression: {error}") from None
    if grader == "number" and not number(text, text):
        raise UserError(f"{where}: the answer {text!r} holds no number for the grader `number`")
