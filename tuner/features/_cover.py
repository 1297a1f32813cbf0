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

from tuner.features._errors import ModelError
from tuner.features._model import Feature, FeatureModel
from tuner.features._rows import Layout, Rows
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
    search = _Search(solver, _choices(solver, apart), t, rng)
    found = []
    while (solution := search.next()) is not None:
        found.append(solution)
    kept = search.needed(found)
    return Layout(model).rows([solver.configuration(solution) for solution in kept])


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
        self, solver: Solver, choices: list[int], t: int, rng: np.random.Generator
    ) -> None:
        n = len(choices)
        if n**t > LARGEST_COVER:
            most = int(LARGEST_COVER ** (1 / t))
            raise ModelError(f"{n} choices are too many for t = {t}: up to {most} will do")
        self.solver, self.choices, self.t, self.rng = solver, choices, t, rng
        self.index = {literal: i for i, literal in enumerate(choices)}
        self.missing = np.ones((n,) * t, dtype=np.bool_)
        diagonal = np.arange(n)
        if t > 1:
            for i in range(n):
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
        solve = self.solver.hard.solve
        if solve(assumptions=[self.choices[i] for i in combination]):
            return True
        if self.t > 2:
            for a, b in ((0, 1), (0, 2), (1, 2)):
                i, j = combination[a], combination[b]
                if not solve(assumptions=[self.choices[i], self.choices[j]]):
                    self.exclude(i, np.array([j]))
        return False

    def best(self, score: npt.NDArray[np.int64]) -> int:
        """One of the highest, by chance."""
        ties = np.flatnonzero(score == score.max())
        return int(self.rng.choice(ties)) if len(ties) > 1 else int(ties[0])

    def grow(self, start: list[int]) -> list[int]:
        """The solution that begins with these choices and meets what is missing, step by step."""
        hard, n = self.solver.hard, len(self.choices)
        assumed = [self.choices[i] for i in start]
        solution = self.solver.solution()
        score = np.zeros(n, dtype=np.int64)
        made = np.zeros(n, dtype=np.bool_)
        closed = np.zeros(n, dtype=np.bool_)  # made or ruled out
        while True:
            # The solver leaves out what it knows without any assumption.
            _, implied = hard.propagate(assumptions=assumed)
            for literal in (*assumed, *implied):
                i = self.index.get(literal)
                if i is not None and not made[i]:
                    score += self.gain(i, made)
                    made[i] = closed[i] = True
                j = self.index.get(-literal)
                if j is not None:
                    closed[j] = True
            literal = 0
            while not literal:
                open_ = np.where(closed, 0, score)
                if not open_.any():
                    return solution
                choice = self.best(open_)
                literal = self.choices[choice]
                if solution[abs(literal) - 1] == literal:
                    continue
                if hard.solve(assumptions=[*assumed, literal]):
                    solution = self.solver.solution()
                else:
                    closed[choice], literal = True, 0
            assumed.append(literal)

    def gain(self, i: int, made: npt.NDArray[np.bool_]) -> Ids:
        """For each choice the missing combinations that it completes, now that `i` is made."""
        if self.t == 1:
            return np.zeros(len(self.choices), dtype=np.int64)
        if self.t == 2:
            return self.missing[i].astype(np.int64)
        completed: npt.NDArray[np.int64] = self.missing[i][:, made].sum(axis=1)
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
