"""Graders by the names that a prompts file gives them."""

from __future__ import annotations

import importlib
from functools import cache, partial

from tuner.errors import UserError
from tuner.tasks.code import passes_tests
from tuner.tasks.graders import GRADERS, Grader
from tuner.tasks.rouge import ROUGE, rouge

TESTS = "tests"
PYTHON = "python:"
NAMES = (*GRADERS, *ROUGE, TESTS, f"{PYTHON}MODULE:FUNCTION")


def runs_code(name: str) -> bool:
    """Whether a grader runs code that is not the tuner's own."""
    return name == TESTS or name.startswith(PYTHON)


@cache
def grader_named(name: str) -> Grader:
    """The grader of a name.

    `python:MODULE:FUNCTION` is a function of (completion, answer) that gives a score in [0, 1].

    Raises:
        UserError: there is none, or what it needs is not installed.
    """
    if name in GRADERS:
        return GRADERS[name]
    if name in ROUGE:
        rouge(name, "", "")  # says now what is missing
        return partial(rouge, name)
    if name == TESTS:
        return passes_tests
    if name.startswith(PYTHON):
        return _function(name)
    raise UserError(f"unknown grader {name!r}; there are {', '.join(NAMES)}")


def _function(name: str) -> Grader:
    module_name, _, function_name = name.removeprefix(PYTHON).partition(":")
    try:
        function = getattr(importlib.import_module(module_name), function_name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(
            f"the grader {name} cannot be had ({error}); write {PYTHON}MODULE:FUNCTION, with the "
            "module where Python finds it (PYTHONPATH)"
        ) from None

    def grade(completion: str, answer: str) -> float:
        score = float(function(completion, answer))
        if not 0 <= score <= 1:
            raise UserError(f"the grader {name} gave {score:g}; scores are between 0 and 1")
        return score

    return grade
