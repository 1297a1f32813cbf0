"""Why choices contradict a model: a smallest set of constraints and choices, in its words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from tuner.features._deadline import deadline, remaining
from tuner.features._encoding import Reason
from tuner.features._errors import ModelError
from tuner.features._model import Constraint
from tuner.features._solver import Given, Solver, limited
from tuner.features._values import Value, value_text

ROUNDS = 400
"""Attempts at a smallest set; after them, and after half of the time that is left, a set of which
no part can be left out is good enough."""


@dataclass(frozen=True)
class Cause:
    """One part of a contradiction.

    Attributes:
        kind: a constraint of the model, a choice of the user's, or a rule of the tree.
        text: in the model's own words.
        constraint: where it is one, with its comment and its line.
    """

    kind: Literal["constraint", "choice", "tree"]
    text: str
    constraint: Constraint | None = None


def explain(solver: Solver, given: Given | None = None) -> tuple[Cause, ...]:
    """A smallest contradicting set, empty where the choices are possible.

    Constraints and choices are as few as can be (the tree is taken for granted); the rules of
    the tree that take part follow, none of them superfluous.
    """
    choices = solver.literals(given or {})
    reasons = solver.encoding.reasons
    tree = [s for s, r in zip(solver.switches, reasons, strict=True) if r.constraint is None]
    soft = [s for s, r in zip(solver.switches, reasons, strict=True) if r.constraint is not None]
    with solver.backend(hard=False) as backend:
        if limited(backend, [*tree, *soft, *choices]):
            return ()
        few = _smallest(backend, tree, [*soft, *choices])
        rules = _minimal(backend, few, tree)
    named = dict(zip(solver.switches, reasons, strict=True))
    return tuple(
        [_cause(named[x]) for x in few if x in named]
        + [Cause("choice", choice_text(*choices[x])) for x in few if x not in named]
        + [_cause(named[x]) for x in rules]
    )


def choice_text(name: str, value: Value | None) -> str:
    """A choice as a person would write it."""
    return f"{name}={value_text(False if value is None else value)}"


def _cause(reason: Reason) -> Cause:
    kind: Literal["constraint", "tree"] = "constraint" if reason.constraint else "tree"
    return Cause(kind, reason.text, reason.constraint)


def _minimal(backend: Any, fixed: list[int], candidates: Iterable[int]) -> list[int]:
    """Candidates that contradict together with the fixed ones, none superfluous."""
    assert not limited(backend, [*fixed, *candidates])
    needed = set(backend.get_core() or ())
    kept = [x for x in candidates if x in needed]
    for literal in list(kept):
        rest = [x for x in kept if x != literal]
        if not limited(backend, [*fixed, *rest]):
            core = set(backend.get_core() or ())
            kept = [x for x in rest if x in core]
    return kept


def _smallest(backend: Any, fixed: list[int], candidates: list[int]) -> list[int]:
    """A contradicting set of candidates of the least size.

    Implicit hitting sets (Ignatiev et al. 2015, "Smallest MUS extraction with minimal hitting set
    dualization"): every set that satisfies misses something of each contradiction, so a smallest
    set that hits all that was missed so far is either the answer or shows something new.
    """
    upper = _minimal(backend, fixed, candidates)
    seconds = remaining()
    try:
        with deadline(None if seconds is None else seconds / 2):
            return upper if len(upper) <= 1 else _hitting(backend, fixed, candidates, upper)
    except ModelError:  # time is up
        return upper


def _hitting(backend: Any, fixed: list[int], candidates: list[int], upper: list[int]) -> list[int]:
    """A contradicting set of the least size, at most that of `upper`."""
    from pysat.examples.hitman import Hitman

    with Hitman(solver="m22", htype="sorted") as hitman:
        for _ in range(ROUNDS):
            some = hitman.get() or []
            if len(some) >= len(upper):
                return upper
            if not limited(backend, [*fixed, *some]):
                return [x for x in candidates if x in set(some)]
            hitman.hit(_missed(backend, fixed, some, candidates))
    return upper


def _missed(backend: Any, fixed: list[int], some: list[int], candidates: list[int]) -> list[int]:
    """What has to be left out for the rest, which contains `some`, to be possible."""
    kept = list(some)
    solution = backend.get_model()
    missing = []
    for x in candidates:
        if solution[abs(x) - 1] == x:
            kept.append(x)
        else:
            missing.append(x)
    for x in list(missing):
        if limited(backend, [*fixed, *kept, x]):
            kept.append(x)
            missing.remove(x)
    return missing
