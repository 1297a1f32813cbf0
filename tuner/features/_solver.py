"""Questions that need no count, by a satisfiability solver (python-sat).

Every clause of a rule of the model can be switched off by the rule's own literal, so that a
contradiction can be traced to the rules that make it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from tuner.features._cnf import DEFINITION
from tuner.features._encoding import Encoding
from tuner.features._errors import ModelError
from tuner.features._model import FeatureModel, Value
from tuner.features._rows import chosen, find, position

LARGEST_BANK = 300
"""Solutions that are kept to refute suspicions."""

PAIRWISE = 6
"""Members up to which an at-most-one group is written as its pairs."""

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
        self.encoding = Encoding(model, canonical, apart or {})
        self.variables = self.encoding.cnf.variables
        self.switches: list[int] = []
        for _ in self.encoding.reasons:
            self.variables += 1
            self.switches.append(self.variables)
        self.clauses = list(self._clauses())

    def _clauses(self) -> Iterator[tuple[int, ...]]:
        cnf = self.encoding.cnf
        for clause, rule in zip(cnf.clauses, cnf.rules, strict=True):
            yield self._guarded(clause, rule)
        for group, rule in cnf.at_most_one:
            if len(group) <= PAIRWISE:
                for a, b in combinations(group, 2):
                    yield self._guarded((-a, -b), rule)
                continue
            before = 0  # true where a member so far is
            for member in group:
                self.variables += 1
                yield (-member, self.variables)
                if before:
                    yield (-before, self.variables)
                    yield self._guarded((-member, -before), rule)
                before = self.variables

    def _guarded(self, clause: tuple[int, ...], rule: int) -> tuple[int, ...]:
        return clause if rule == DEFINITION else (*clause, -self.switches[rule])

    def backend(self, *, hard: bool) -> Any:
        """A solver of python-sat with the clauses; `hard` switches every rule on for good."""
        from pysat.solvers import Solver as Backend

        units = [[switch] for switch in self.switches] if hard else []
        return Backend(
            name="cadical153" if not hard else "g3", bootstrap_with=[*self.clauses, *units]
        )

    @cached_property
    def hard(self) -> Any:
        """The solver with every rule switched on."""
        return self.backend(hard=True)

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
        return bool(self.hard.solve(assumptions=list(self.literals(given or {}))))

    def solution(self) -> list[int]:
        """The solution found last: for variable v its literal at index v - 1."""
        model: list[int] = self.hard.get_model()
        return model

    @cached_property
    def bank(self) -> npt.NDArray[np.bool_]:
        """Some solutions that differ, `n x features`: which features each of them selects.

        They refute most of what a question could suspect, so that few suspicions need the solver.
        Drawn with random phases until they stop telling features apart that others did not.
        """
        columns = np.array([variable - 1 for variable in self.encoding.selected.values()])
        chance = np.random.default_rng(0)
        found: list[npt.NDArray[np.bool_]] = []
        classes, stale = np.zeros(len(columns), dtype=np.int64), 0
        while len(found) < LARGEST_BANK and stale < 20:
            signs = np.where(chance.random(len(columns)) < 0.5, 1, -1)
            self.hard.set_phases((signs * (columns + 1)).tolist())
            if not self.hard.solve():
                break
            solution = np.array(self.solution())[columns] > 0
            found.append(solution)
            before = classes.max(initial=0)
            _, classes = np.unique(2 * classes + solution, return_inverse=True)
            stale = stale + 1 if classes.max(initial=0) == before else 0
        return np.array(found, dtype=np.bool_).reshape(-1, len(columns))

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
        fixed = list(self.literals(given or {}))
        if not self.hard.solve(assumptions=fixed):
            raise ModelError("no valid configuration has these choices: `explain` says why")
        solution = self.solution()
        open_ = {x for x in literals if solution[abs(x) - 1] == x}
        found = set()
        while open_:
            literal = open_.pop()
            self.hard.set_phases([-x for x in open_])
            if self.hard.solve(assumptions=[*fixed, -literal]):
                solution = self.solution()
                open_ = {x for x in open_ if solution[abs(x) - 1] == x}
            else:
                found.add(literal)
        self.hard.set_phases([])
        return found
