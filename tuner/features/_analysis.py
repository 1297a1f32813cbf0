"""What is always, never or only together in the valid configurations of a model."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from tuner.features._solver import Bools, Given, Solver
from tuner.features._values import Value


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
    fixed = _fixed(solver, [*asked, *(-x for x in asked)], given)
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
    fixed = _fixed(solver, solver.encoding.selected.values())
    return tuple(name for name, v in solver.encoding.selected.items() if v in fixed)


def dead(solver: Solver) -> tuple[str, ...]:
    """The features of no valid configuration; all of them where there is none."""
    if not solver.satisfiable():
        return tuple(solver.encoding.selected)
    fixed = _fixed(solver, [-v for v in solver.encoding.selected.values()])
    return tuple(name for name, v in solver.encoding.selected.items() if -v in fixed)


def dead_values(solver: Solver) -> dict[str, tuple[Value, ...]]:
    """For each typed feature that is not dead the values that it never has."""
    encoding = solver.encoding
    parts = [x for name in encoding.literals for x in (*encoding.literals[name],)]
    fixed = _fixed(solver, [-x for x in {*parts, *encoding.selected.values()}])
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
    never = set(dead(solver))
    stands = {v: group[0] for group in _twins(solver, {}) for v in group}
    suspects = {
        name: (-variables[parent.name], stands.get(variables[name], variables[name]))
        for name, (parent, group) in model.parent_groups.items()
        if group.lower < len(group.features) and name not in never
    }
    pairs = sorted(set(suspects.values()))
    held = dict(zip(pairs, solver.entailed(pairs).tolist(), strict=True))
    return tuple(name for name, pair in suspects.items() if held[pair])


def atomic_sets(solver: Solver) -> tuple[tuple[str, ...], ...]:
    """Features that are selected together or not at all, in sets; dead ones are left out."""
    if not solver.satisfiable():
        return ()
    variables, twins = solver.encoding.selected, _twins(solver, {})
    left_out = {v for group in twins for v in group[2:]}
    asked = np.array([v for v in variables.values() if v not in left_out])
    met: list[Bools] = []
    never = solver.entailed([(-v, -v) for v in asked.tolist()], met=met)
    alive = asked[~never]
    label = dict(zip(alive.tolist(), _together(solver, alive, met), strict=True))
    for first, second, *others in twins:
        if first in label:  # what is true of two twins is true of any two
            alike = label[first] == label[second]
            label.update((v, label[first] if alike else -v) for v in others)
    sets: dict[int, list[str]] = {}
    for name, variable in variables.items():
        if variable in label:
            sets.setdefault(label[variable], []).append(name)
    return tuple(map(tuple, sets.values()))


def _together(solver: Solver, columns: npt.NDArray[np.int64], met: list[Bools]) -> list[int]:
    """A label for each of these variables, the same for those that are equivalent.

    Variables that no solution so far tells apart are suspected to imply one another in a ring,
    each the next; the solutions that refute that tell them apart.
    """
    classes = [0] * len(columns)
    proven: set[tuple[int, int]] = set()
    while met:
        pictures = np.packbits(np.array(met)[:, columns], axis=0).T  # of each variable, in bits
        keys = [(c, bits.tobytes()) for c, bits in zip(classes, pictures, strict=True)]
        index = {key: i for i, key in enumerate(dict.fromkeys(keys))}
        classes = [index[key] for key in keys]
        suspects = [
            pair
            for a, b in _rings(classes)
            if (pair := (-int(columns[a]), int(columns[b]))) not in proven
        ]
        met = []
        held = solver.entailed(suspects, met=met).tolist()
        if all(held):
            break
        proven.update(pair for pair, always in zip(suspects, held, strict=True) if always)
    return classes


def _rings(classes: list[int]) -> Iterator[tuple[int, int]]:
    """For each class of several members the pairs of neighbours in a ring of them."""
    members: dict[int, list[int]] = {}
    for i, which in enumerate(classes):
        members.setdefault(which, []).append(i)
    for some in members.values():
        if len(some) > 1:
            yield from pairwise([*some, some[0]])


def _fixed(solver: Solver, literals: Collection[int], given: Given | None = None) -> set[int]:
    """Those of these literals of features and values that hold always, one asked for all twins."""
    stands = {v: group[0] for group in _twins(solver, given or {}) for v in group}
    stand = {x: stands.get(x, x) if x > 0 else -stands.get(-x, -x) for x in literals}
    fixed = solver.backbone(stand.values(), given)
    return {x for x, asked in stand.items() if asked in fixed}


def _twins(solver: Solver, given: Given) -> list[list[int]]:
    """Variables of three or more leaves of one group that no constraint and no choice mentions.

    Swapping two of them makes a configuration from a configuration, so what is always true of
    one, or of two, is true of all of them.
    """
    cnf, reasons = solver.encoding.cnf, solver.encoding.reasons
    tree = {rule for rule, reason in enumerate(reasons) if reason.constraint is None}
    clauses = [*zip(cnf.clauses, cnf.rules, strict=True), *cnf.at_most_one]
    told = {abs(x) for clause, rule in clauses if rule not in tree for x in clause}
    told.update(abs(x) for x in solver.literals(given))
    found = []
    for feature in solver.model.features.values():
        for group in feature.groups:
            leaves = [solver.encoding.selected[f.name] for f in group.features if not f.groups]
            alike = [variable for variable in leaves if variable not in told]
            if len(alike) > 2:
                found.append(alike)
    return found
