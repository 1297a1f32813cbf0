"""What is always, never or only together in the valid configurations of a model."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from tuner.features._model import Value
from tuner.features._solver import Given, Solver


@dataclass(frozen=True)
class Consequences:
    """What follows from some choices.

    Attributes:
        selected: features that every configuration with them has.
        deselected: features that none of them has.
        values: for each selected typed feature the values that are left.
        open: features that are still free.
    """

    selected: tuple[str, ...]
    deselected: tuple[str, ...]
    values: dict[str, tuple[Value, ...]]
    open: tuple[str, ...]


def consequences(solver: Solver, given: Given | None = None) -> Consequences:
    """Propagate choices completely; `ModelError` where they contradict the model."""
    encoding = solver.encoding
    variables = encoding.selected
    parts = [x for literals in encoding.literals.values() for x in literals]
    asked = {*variables.values(), *parts}
    fixed = solver.backbone([*asked, *(-x for x in asked)], given)
    choices = dict(solver.literals(given or {}).values())
    values: dict[str, tuple[Value, ...]] = {}
    for name, classes in encoding.classes.items():
        if variables[name] not in fixed:
            continue
        domain = solver.model.features[name].domain
        left = sorted(
            index
            for literal, members in zip(encoding.literals[name], classes, strict=True)
            if -literal not in fixed
            for index in members
        )
        values[name] = tuple(domain[index] for index in left)
        if choices.get(name, True) is not True:
            values[name] = (choices[name],)  # type: ignore[assignment]
    return Consequences(
        tuple(name for name, v in variables.items() if v in fixed),
        tuple(name for name, v in variables.items() if -v in fixed),
        values,
        tuple(name for name, v in variables.items() if v not in fixed and -v not in fixed),
    )


def core(solver: Solver) -> tuple[str, ...]:
    """The features of every valid configuration."""
    fixed = solver.backbone(solver.encoding.selected.values())
    return tuple(name for name, v in solver.encoding.selected.items() if v in fixed)


def dead(solver: Solver) -> tuple[str, ...]:
    """The features of no valid configuration; all of them where there is none."""
    if not solver.satisfiable():
        return tuple(solver.encoding.selected)
    fixed = solver.backbone([-v for v in solver.encoding.selected.values()])
    return tuple(name for name, v in solver.encoding.selected.items() if -v in fixed)


def dead_values(solver: Solver) -> dict[str, tuple[Value, ...]]:
    """For each typed feature that is not dead the values that it never has."""
    encoding = solver.encoding
    parts = [x for name in encoding.literals for x in (*encoding.literals[name],)]
    fixed = solver.backbone([-x for x in {*parts, *encoding.selected.values()}])
    found: dict[str, tuple[Value, ...]] = {}
    for name, classes in encoding.classes.items():
        if -encoding.selected[name] in fixed:
            continue
        never = [
            index
            for literal, members in zip(encoding.literals[name], classes, strict=True)
            if -literal in fixed
            for index in members
        ]
        if never:
            domain = solver.model.features[name].domain
            found[name] = tuple(domain[index] for index in sorted(never))
    return found


def false_optional(solver: Solver) -> tuple[str, ...]:
    """Features that the tree leaves open and that are yet selected wherever their parent is."""
    variables, model = solver.encoding.selected, solver.model
    if not solver.satisfiable():
        return ()
    column = {name: solver.bank[:, i] for i, name in enumerate(variables)}
    suspects = [
        (name, parent.name)
        for name, (parent, group) in model.places.items()
        if group.lower < len(group.features) and not (column[parent.name] & ~column[name]).any()
    ]
    never = set(dead(solver)) if suspects else set()
    return tuple(
        name
        for name, parent in suspects
        if name not in never
        and not solver.hard.solve(assumptions=[variables[parent], -variables[name]])
    )


def atomic_sets(solver: Solver) -> tuple[tuple[str, ...], ...]:
    """Features that are selected together or not at all, in sets; dead ones are left out.

    Sets are split by solutions that tell their members apart until none is left.
    """
    if not solver.satisfiable():
        return ()
    variables, never = solver.encoding.selected, set(dead(solver))
    alike: dict[bytes, list[str]] = {}
    for i, name in enumerate(variables):
        if name not in never:
            alike.setdefault(solver.bank[:, i].tobytes(), []).append(name)
    groups = list(alike.values())
    done: list[tuple[str, ...]] = []
    while groups:
        group = groups.pop()
        solution = _apart(solver, group)
        if solution is None:
            done.append(tuple(group))
        else:
            groups.append([name for name in group if solution[variables[name] - 1] > 0])
            groups.append([name for name in group if solution[variables[name] - 1] < 0])
    order = {name: i for i, name in enumerate(variables)}
    return tuple(sorted(done, key=lambda group: order[group[0]]))


def _apart(solver: Solver, group: list[str]) -> list[int] | None:
    """A solution that selects some of these features and not the others."""
    variables = solver.encoding.selected
    for a, b in pairwise([*group, group[0]]):  # each needs the next, and the last the first
        if a != b and solver.hard.solve(assumptions=[variables[a], -variables[b]]):
            return solver.solution()
    return None
