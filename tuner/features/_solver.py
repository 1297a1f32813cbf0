"""Questions that need no count, by a satisfiability solver (python-sat).

Every clause of a rule of the model can be switched off by the rule's own literal, so that a
contradiction can be traced to the rules that make it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from itertools import combinations
from math import isqrt
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt

from tuner.features._cnf import DEFINITION
from tuner.features._deadline import check_deadline
from tuner.features._encoding import Encoding
from tuner.features._errors import ModelError
from tuner.features._inert import inert_rules
from tuner.features._model import Constraint, FeatureModel
from tuner.features._rows import chosen, find, position
from tuner.features._values import Value

BUDGET = 100
"""Conflicts after which the solver looks at the clock."""

PAIRWISE = 6
"""Members up to which an at-most-one group is written as its pairs."""

Bools = npt.NDArray[np.bool_]

Given = Mapping[str, Value | None]
"""Some features: True or a value where selected, False or None where not."""


class Solver:
    """A feature model as a satisfiability problem.

    Attributes:
        model: the model.
        encoding: its clauses; all valid configurations, canonical or not, unless asked otherwise.
    """

    def __init__(
        self,
        model: FeatureModel,
        *,
        canonical: bool = False,
        apart: Mapping[str, Collection[int]] | None = None,
    ) -> None:
        self.model = model
        inert = canonical_rules(model) if canonical else ()
        self.encoding = Encoding(model, inert, apart or {})
        self.variables = self.encoding.cnf.variables
        self.switches: list[int] = []
        for _ in self.encoding.reasons:
            self.variables += 1
            self.switches.append(self.variables)
        self.clauses = list(self._clauses())
        self._facts: dict[int, bool] = {}  # literals, and whether they hold in every solution

    def _clauses(self) -> Iterator[tuple[int, ...]]:
        cnf = self.encoding.cnf
        check_deadline()
        for clause, rule in zip(cnf.clauses, cnf.rules, strict=True):
            yield self._guarded(clause, rule)
        for group, rule in cnf.at_most_one:
            yield from self._at_most_one(group, rule)

    def _at_most_one(self, group: Sequence[int], rule: int) -> Iterator[tuple[int, ...]]:
        """A small group as its pairs, a larger one as rows and columns of a square.

        At most one row and one column has members that are true (Chen 2010, "A New SAT Encoding
        of the At-Most-One Constraint").
        """
        if len(group) <= PAIRWISE:
            for a, b in combinations(group, 2):
                yield self._guarded((-a, -b), rule)
            return
        side = isqrt(len(group) - 1) + 1
        rows = range(self.variables + 1, self.variables + 1 + -(-len(group) // side))
        columns = range(rows.stop, rows.stop + side)
        self.variables = columns.stop - 1
        for i, member in enumerate(group):
            yield (-member, rows[i // side])
            yield (-member, columns[i % side])
        yield from self._at_most_one(rows, rule)
        yield from self._at_most_one(columns, rule)

    def _guarded(self, clause: tuple[int, ...], rule: int) -> tuple[int, ...]:
        return clause if rule == DEFINITION else (*clause, -self.switches[rule])

    def backend(self, *, hard: bool) -> Any:
        """A solver of python-sat with the clauses; `hard` switches every rule on for good."""
        from pysat.solvers import Solver as Backend

        units = [[switch] for switch in self.switches] if hard else []
        return Backend(name="m22", bootstrap_with=[*self.clauses, *units])

    @cached_property
    def hard(self) -> Any:
        """The solver with every rule switched on."""
        return self.backend(hard=True)

    def solve(self, assumptions: Iterable[int] = ()) -> bool:
        """Whether there is a solution with these literals."""
        return limited(self.hard, assumptions)

    # --- features and literals --------------------------------------------------------------

    def literals(self, given: Given) -> dict[int, tuple[str, Value | None]]:
        """What some choices mean, as literals, each with the choice that it stands for."""
        found: dict[int, tuple[str, Value | None]] = {}
        for name, value in given.items():
            feature = find(self.model, name)
            if not chosen(value):
                found[-self.encoding.selected[name]] = (name, False)
            elif not feature.typed or value is True:
                if not feature.typed:
                    position(feature, value)
                found[self.encoding.selected[name]] = (name, True)
            else:
                found[self.encoding.literal(name, position(feature, value))] = (name, value)
        return found

    def satisfiable(self, given: Given | None = None) -> bool:
        """Whether a valid configuration has these choices."""
        return self.solve(self.literals(given or {}))

    def solution(self) -> list[int]:
        """The solution found last: for variable v its literal at index v - 1."""
        model: list[int] = self.hard.get_model()
        return model

    def configuration(self, solution: Sequence[int], near: Given | None = None) -> dict[str, Value]:
        """A solution as a configuration.

        Where several values of a feature fit, the one nearest to its value in `near` is taken,
        or else to its default.
        """
        found: dict[str, Value] = {}
        for name, feature in self.model.features.items():
            if solution[self.encoding.selected[name] - 1] < 0:
                continue
            if not feature.typed:
                found[name] = True
                continue
            wanted = (near or {}).get(name)
            if not chosen(wanted) or wanted is True:
                wanted = feature.default
            index = position(feature, wanted) if wanted in feature.domain else 0
            fitting = [
                i
                for literal, members in zip(
                    self.encoding.literals[name], self.encoding.classes[name], strict=True
                )
                if solution[literal - 1] > 0
                for i in members
            ]
            found[name] = feature.domain[min(fitting, key=lambda i: abs(i - index))]
        return found

    # --- what always or never holds ---------------------------------------------------------

    def backbone(self, literals: Iterable[int], given: Given | None = None) -> set[int]:
        """Those of these literals that hold in every solution (with these choices)."""
        facts = {} if given else self._facts
        asked = set(literals)
        if unknown := sorted(asked - facts.keys()):
            holds = self.entailed([(x, x) for x in unknown], given)
            facts.update(zip(unknown, holds.tolist(), strict=True))
        return {x for x in asked if facts[x]}

    def entailed(
        self,
        clauses: Sequence[tuple[int, int]],
        given: Given | None = None,
        met: list[Bools] | None = None,
    ) -> Bools:
        """Which of these pairs of literals have a true one in every solution (with these choices).

        Each solution refutes all pairs that it makes false, and the solver is led to make many
        false at once, so that few solutions do. `ModelError` where there is none at all.

        Args:
            clauses: the pairs; the same literal twice asks about it alone.
            given: choices that hold.
            met: takes the solutions that were found: for variable v at index v whether it holds.

        """
        pairs = np.array(clauses, dtype=np.int64).reshape(-1, 2)
        held = np.zeros(len(pairs), dtype=np.bool_)
        open_ = np.ones(len(pairs), dtype=np.bool_)
        fixed = list(self.literals(given or {}))
        chance = Random(0)
        alone = bool((pairs[:, 0] == pairs[:, 1]).all())  # else wishes get in each other's way
        asked: list[int] = []
        led, which = False, -1
        while True:
            if not led:
                some = np.frombuffer(chance.randbytes(len(pairs)), dtype=np.uint8)
                self._lead(-pairs[open_ & (some < (128 if alone else 256 >> chance.randint(1, 7)))])
                led = True
            if self.solve([*fixed, *asked]):
                true = np.array([0, *self.solution()[: len(self._above) - 1]]) > 0
                open_ &= (true[np.abs(pairs)] == (pairs > 0)).any(axis=1)
                led = False
                if met is not None:
                    met.append(true)
            elif not asked:
                raise ModelError("no valid configuration has these choices: `explain` says why")
            else:
                held[which], open_[which] = True, False
            which = int(np.argmax(open_)) if open_.any() else -1
            if which < 0:
                return held
            asked = sorted({-int(x) for x in pairs[which]})

    def _lead(self, wishes: npt.NDArray[np.int64]) -> None:
        """Make the solver try these literals first, what they need above them, and little else."""
        phases = np.full(len(self._above), -1)
        wanted = wishes[wishes > 0]
        while len(wanted):
            phases[wanted] = 1
            wanted = self._above[wanted]
            wanted = wanted[phases[wanted] < 0]
        self.hard.set_phases((np.arange(len(phases)) * phases)[1:].tolist())

    @cached_property
    def _above(self) -> npt.NDArray[np.int64]:
        """For the variable of each feature that of its parent, for that of a class its feature's.

        0 where there is none.
        """
        above = np.zeros(self.encoding.cnf.variables + 1, dtype=np.int64)
        variables = self.encoding.selected
        for name, literals in self.encoding.literals.items():
            above[literals] = variables[name]
        for name, (parent, _) in self.model.parent_groups.items():
            above[variables[name]] = variables[parent.name]
        above[variables[self.model.root.name]] = 0
        return above


def canonical_rules(model: FeatureModel) -> tuple[Constraint, ...]:
    """`inert_rules` with the defaults that the constraints leave.

    Where no configuration is valid, the defaults stand as they are written.
    """
    if all(feature.inert is None for feature in model.features.values()):
        return ()
    solver = Solver(model)
    if not solver.satisfiable():
        return inert_rules(model)

    @lru_cache(maxsize=None, typed=True)  # True and 1 are different questions
    def possible(name: str, value: Value) -> bool:
        if value is False:
            parent = model.parent_groups[name][0]
            return solver.satisfiable({name: False, parent.name: True})
        return solver.satisfiable({name: value})

    return inert_rules(model, possible)


def limited(backend: Any, assumptions: Iterable[int]) -> bool:
    """Whether a solver of python-sat has a solution with these literals, while there is time."""
    wanted = list(assumptions)
    while True:
        check_deadline()
        backend.conf_budget(BUDGET)
        answer = backend.solve_limited(assumptions=wanted)
        if answer is not None:
            return bool(answer)
