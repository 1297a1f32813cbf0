"""Covering samples: few configurations in which every possible combination of `t` choices occurs.

A choice is a feature selected, a feature not selected, or a typed feature at one of three levels
of its domain (first, middle, last; every one of a text). Configurations are built one after
another, choice by choice, always the choice that meets most of the combinations that are still
missing, while a solver keeps every step possible. Combinations that no configuration has are
found out on the way and need no cover.
"""

from __future__ import annotations

from itertools import permutations
from math import factorial

import numpy as np
import numpy.typing as npt

from tuner.features._deadline import check_deadline
from tuner.features._errors import ModelError
from tuner.features._model import Feature, FeatureModel
from tuner.features._propagation import Propagator
from tuner.features._rows import ColumnLayout, Rows
from tuner.features._solver import Solver

LARGEST_COVER = 100_000_000
"""Combinations that are kept in memory, one byte each."""

Ids = npt.NDArray[np.int64]


def levels(feature: Feature) -> tuple[int, ...]:
    """Indices of the values that stand for a domain."""
    n = len(feature.domain)
    if feature.type == "String":
        return tuple(range(n))
    return tuple(sorted({0, n // 2, n - 1}))


def cover(model: FeatureModel, t: int, rng: np.random.Generator, *, canonical: bool = True) -> Rows:
    """Configurations that have every possible combination of `t` choices, 1 to 3.

    `ModelError` where there are too many combinations, or no configuration at all.
    """
    if t not in (1, 2, 3):
        raise ModelError("a cover is of single choices, pairs or triples: t is 1, 2 or 3")
    apart = {name: levels(f) for name, f in model.features.items() if f.typed}
    solver = Solver(model, canonical=canonical, apart=apart)
    if not solver.satisfiable():
        raise ModelError("the model has no valid configuration")
    choices = _choices(solver, apart)
    t = min(t, len(choices))
    # Taking features in a random order suits models of many optional features, taking the most
    # useful choice suits large alternatives: the smaller cover counts.
    covers = [
        _Search(solver, choices, t, rng, shuffled=shuffled).run() for shuffled in (True, False)
    ]
    smallest = min(covers, key=len)
    return ColumnLayout(model).rows([solver.configuration(solution) for solution in smallest])


def _choices(solver: Solver, apart: dict[str, tuple[int, ...]]) -> list[int]:
    """The literals that are combined, without those that never hold."""
    found = []
    for name, variable in solver.encoding.selected.items():
        found.append(-variable)
        if name in apart:
            found += [solver.encoding.literal(name, index) for index in apart[name]]
        else:
            found.append(variable)
    possible = solver.backbone([-x for x in found])
    return [x for x in dict.fromkeys(found) if -x not in possible]


class _Search:
    """What is missing, and how the next configuration is built.

    `missing` has one axis for each of the `t` choices of a combination and is symmetric.
    """

    def __init__(
        self,
        solver: Solver,
        choices: list[int],
        t: int,
        rng: np.random.Generator,
        *,
        shuffled: bool,
    ) -> None:
        n = len(choices)
        if n**t > LARGEST_COVER:
            most = int(LARGEST_COVER ** (1 / t))
            raise ModelError(f"{n} choices are too many for t = {t}: up to {most} will do")
        self.solver, self.choices, self.t, self.rng = solver, choices, t, rng
        cnf = solver.encoding.cnf
        groups = [group for group, _ in cnf.at_most_one]
        self.state = Propagator(cnf.variables, cnf.clauses, groups)
        self.shuffled = shuffled
        _, self.feature = np.unique(np.abs(np.array(choices)), return_inverse=True)
        self.index = {literal: i for i, literal in enumerate(choices)}
        self.missing = np.ones((n,) * t, dtype=np.bool_)
        diagonal = np.arange(n)
        if t > 1:
            for i in range(n):
                check_deadline("cover")
                self.exclude(i, self.implied_false(choices[i]))
            self.missing[diagonal, diagonal] = False
        if t > 2:
            self.missing[:, diagonal, diagonal] = False
            self.missing[diagonal, :, diagonal] = False

    def implied_false(self, literal: int) -> Ids:
        """Choices that unit propagation rules out together with one."""
        _, implied = self.solver.hard.propagate(assumptions=[literal])
        index = self.index
        return np.array([index[-x] for x in implied if -x in index], dtype=np.int64)

    def exclude(self, i: int, others: Ids) -> None:
        """Combinations that have this choice and one of the others are impossible."""
        self.missing[i, others] = False
        self.missing[others, i] = False
        if self.t > 2:
            self.missing[i, :, others] = self.missing[others, :, i] = False
            self.missing[:, i, others] = self.missing[:, others, i] = False

    def run(self) -> list[list[int]]:
        """The solutions of a whole cover."""
        found = []
        while (solution := self.next()) is not None:
            found.append(solution)
        return self.needed(found)

    def next(self) -> list[int] | None:
        """One more configuration; None where nothing is missing any more."""
        start = self.start()
        if start is None:
            return None
        solution = self.grow(start)
        held = self.held(solution)
        self.missing[np.ix_(*([held] * self.t))] = False
        return solution

    def held(self, solution: list[int]) -> Ids:
        """The choices that a solution makes."""
        literals = np.array(self.choices)
        signs = np.array(solution)[np.abs(literals) - 1]
        return np.flatnonzero(signs == literals)

    def start(self) -> list[int] | None:
        """A possible combination that is missing, of choices that miss many."""
        check_deadline("cover")
        degree = self.missing.reshape(len(self.choices), -1).sum(axis=1)
        while degree.max(initial=0) > 0:
            combination = [self.best(degree)]
            while len(combination) < self.t:
                rest = self.missing[tuple(combination)]
                combination.append(self.best(rest.reshape(len(rest), -1).sum(axis=1)))
            if self.possible(combination):
                return combination
            for order in permutations(combination):
                self.missing[order] = False
            degree[combination] -= factorial(self.t - 1)
        return None

    def possible(self, combination: list[int]) -> bool:
        """Whether a configuration has these choices; pairs that rule each other out are noted."""
        solve = self.solver.solve
        if solve([self.choices[i] for i in combination]):
            return True
        if self.t > 2:
            for a, b in ((0, 1), (0, 2), (1, 2)):
                i, j = combination[a], combination[b]
                if not solve([self.choices[i], self.choices[j]]):
                    self.exclude(i, np.array([j]))
        return False

    def best(self, score: npt.NDArray[np.int64]) -> int:
        """One of the highest, by chance."""
        ties = np.flatnonzero(score == score.max())
        return int(self.rng.choice(ties)) if len(ties) > 1 else int(ties[0])

    def grow(self, start: list[int]) -> list[int]:
        """The solution that begins with these choices and meets what is missing, step by step."""
        n, state = len(self.choices), self.state
        solution = self.solver.solution()
        score = np.zeros(n, dtype=np.int64)
        made, closed = np.zeros(n, dtype=np.bool_), np.zeros(n, dtype=np.bool_)
        assumed: list[int] = []
        base = len(state.trail)
        seen = 0
        order = self.rng.permutation(int(self.feature.max()) + 1)

        def make(literal: int) -> None:
            nonlocal seen
            assumed.append(literal)
            state.assign([literal])
            while seen < len(state.trail):
                found = state.trail[seen]
                seen += 1
                i, j = self.index.get(found), self.index.get(-found)
                if i is not None:
                    score[:] += self.gain(i, made)
                    made[i] = closed[i] = True
                if j is not None:
                    closed[j] = True

        for i in start:
            make(self.choices[i])
        while (open_ := self.urgency(score, closed, order)).any():
            choice = self.best(open_)
            literal = self.choices[choice]
            if solution[abs(literal) - 1] != literal:
                if not self.solver.solve([*assumed, literal]):
                    closed[choice] = True
                    continue
                solution = self.solver.solution()
            make(literal)
        state.undo(base)
        return solution

    def urgency(self, score: Ids, closed: npt.NDArray[np.bool_], order: Ids) -> Ids:
        """How much to make each choice next: 0 for those that are closed or gain nothing."""
        score = np.where(closed, 0, score)
        if not self.shuffled:
            return score
        most = np.zeros(len(order), dtype=np.int64)
        np.maximum.at(most, self.feature, score)
        better = (score > 0) & (score == most[self.feature])
        return np.where(better, order[self.feature] + 1, 0)

    def gain(self, i: int, made: npt.NDArray[np.bool_]) -> Ids:
        """For each choice the missing combinations that it completes, now that `i` is made."""
        if self.t == 1:
            return np.zeros(len(self.choices), dtype=np.int64)
        if self.t == 2:
            return np.asarray(self.missing[i], dtype=np.int64)
        completed: Ids = np.count_nonzero(self.missing[i][:, made], axis=1)
        return completed

    def needed(self, solutions: list[list[int]]) -> list[list[int]]:
        """Solutions without those that later ones have made superfluous."""
        if self.t > 2:
            return solutions
        times = np.zeros(self.missing.shape, dtype=np.int32)
        sets = [np.ix_(*([self.held(solution)] * self.t)) for solution in solutions]
        for held in sets:
            times[held] += 1
        kept = []
        for solution, held in zip(solutions, sets, strict=True):
            if (times[held] > 1).all():
                times[held] -= 1
            else:
                kept.append(solution)
        return kept
