"""What is always, never or only together in the valid configurations of a model."""

from __future__ import annotations

from dataclasses import dataclass

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
    never = set(dead(solver))
    found = []
    for name, (parent, group) in model.places.items():
        if name in never or group.lower == len(group.features):
            continue
        if not solver.hard.solve(assumptions=[variables[parent.name], -variables[name]]):
            found.append(name)
    return tuple(found)


def atomic_sets(solver: Solver) -> tuple[tuple[str, ...], ...]:
    """Features that are selected together or not at all, in sets; dead ones are left out.

    Sets are split by solutions that tell their members apart until none is left.
    """
    if not solver.satisfiable():
        return ()
    variables, never = solver.encoding.selected, set(dead(solver))
    names = [name for name in variables if name not in never]
    groups = [names]
    done: list[tuple[str, ...]] = []

    def split(groups: list[list[str]]) -> list[list[str]]:
        solution = solver.solution()
        parts = []
        for group in groups:
            yes = [name for name in group if solution[variables[name] - 1] > 0]
            no = [name for name in group if solution[variables[name] - 1] < 0]
            parts += [part for part in (yes, no) if part]
        return parts

    while groups:
        group = groups.pop()
        first, rest = group[0], group[1:]
        apart = None
        for other in rest:
            for a, b in ((first, other), (other, first)):
                if solver.hard.solve(assumptions=[variables[a], -variables[b]]):
                    apart = True
                    break
            if apart:
                break
        if apart:
            groups = split([*groups, group])
        else:
            done.append(tuple(group))
    order = list(variables)
    return tuple(sorted(done, key=lambda group: order.index(group[0])))
