"""Weighted sampling: one decision after another.

Decisions that others depend on come first (`heights`, then the order of the file, unless an order
is given). Each takes, with the same probability, every value that a valid configuration with the
decisions before it still has. No branch of the model drowns because another one has more below
it, and none because constraints leave it few completions.

Which values can still be completed is asked of the circuit for all configurations at once: a set
of configurations is a whole number, one bit each, and every branch and node of the circuit has the
set of those that have a solution through it. What is decided only makes these sets smaller, so a
question follows the few sets that it changes, children before parents, up to the root.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from heapq import heapify, heappop, heappush
from operator import or_

import numpy as np
import numpy.typing as npt

from tuner.features._ddnnf import Branch
from tuner.features._deadline import check_deadline
from tuner.features._decisions import Decision, heights
from tuner.features._rows import Rows
from tuner.features._walk import CircuitReader

Bits = int
"""A set of configurations: bit `i` is set where configuration `i` belongs to it."""

ONE_BY_ONE = 8
"""Values up to which each is asked about alone, rather than all of them in one pass."""

Change = tuple[list[Bits], int, Bits]
"""A list of sets, the index of the one that was changed, and what it was before."""


def sample_by_decisions(
    reader: CircuitReader, decisions: Sequence[Decision], n: int, rng: np.random.Generator
) -> Rows:
    """`n` configurations, each by one decision after another in this order.

    The circuit has to have at least one solution.
    """
    completions = _Completions(reader, n)
    for decision in decisions:
        check_deadline("sample")
        literals, numbers = _options(reader, decision)
        possible = completions.possible(literals)
        weights = np.array([_rows_of(which, n) for which in possible], dtype=float)
        sums = np.cumsum(weights * np.array(numbers)[:, None], axis=0)
        if (np.count_nonzero(weights, axis=0) < 2).all():
            continue
        taken = (sums <= rng.random(n) * sums[-1]).sum(axis=0)
        taken[sums[-1] == 0] = -1  # there is nothing to decide
        for k, literal in enumerate(literals):
            completions.require(literal, _set_of(taken == k))
    assignments, held = reader.empty(n), completions.held()
    for variable in range(1, reader.circuit.variables + 1):
        assignments.true[variable] = _rows_of(held[variable], n)
    for literal, (_, members) in reader.members.items():
        which = np.flatnonzero(assignments.true[literal])
        if len(members) and len(which):
            assignments.pick(literal, which, rng.integers(len(members), size=len(which)))
    return assignments.rows()


def drawing_order(decisions: Sequence[Decision]) -> list[Decision]:
    """Decisions that others depend on first, otherwise as they are."""
    levels = heights(decisions)
    order = sorted(range(len(decisions)), key=lambda i: -levels[i])
    return [decisions[i] for i in order]


def _options(reader: CircuitReader, decision: Decision) -> tuple[list[int], list[int]]:
    """The literals that a decision is between, and how many values each stands for."""
    encoding = reader.encoding
    own = encoding.selected[decision.feature.name]
    if decision.kind == "switch":
        return [-own, own], [1, 1]
    if decision.kind == "choice":
        return [encoding.selected[str(child)] for child in decision.values], [1] * len(
            decision.values
        )
    literals = encoding.literals[decision.feature.name]
    return literals, [len(reader.members[literal][1]) for literal in literals]


class _Completions:
    """Sets of configurations in the making, and what can still become of them.

    Attributes:
        every: all of them.
        allowed: for each literal (negative ones from the end) those in which it may hold.
        through: for each branch of each node, the root's last, those with a solution through it.
        solvable: for each node those with a solution of it; the root's last.
    """

    def __init__(self, reader: CircuitReader, n: int) -> None:
        circuit = reader.circuit
        self.nodes = [*circuit.nodes, [circuit.root]]
        self.every = (1 << n) - 1
        self.allowed: list[Bits] = [self.every if size else 0 for size in reader.sizes]
        self.solvable: list[Bits] = []
        self.through: list[list[Bits]] = []
        self.holding: list[list[tuple[int, int]]] = [[] for _ in self.allowed]
        self.open: list[list[tuple[int, int]]] = [[] for _ in range(circuit.variables + 1)]
        self.above: list[list[tuple[int, int]]] = [[] for _ in self.nodes]
        for i, node in enumerate(self.nodes):
            for j, (literals, free, children) in enumerate(node):
                for literal in literals:
                    self.holding[literal].append((i, j))
                for variable in free:
                    self.open[variable].append((i, j))
                for child in children:
                    self.above[child].append((i, j))
            self.through.append([self._solutions(branch) for branch in node])
            self.solvable.append(reduce(or_, self.through[-1]))

    def _solutions(self, branch: Branch) -> Bits:
        literals, free, children = branch
        which, allowed = self.every, self.allowed
        for literal in literals:
            which &= allowed[literal]
        for variable in free:
            which &= allowed[variable] | allowed[-variable]
        for child in children:
            which &= self.solvable[child]
        return which

    def possible(self, literals: Sequence[int]) -> list[Bits]:
        """For each of these literals the configurations that can be completed with it."""
        if len(literals) > ONE_BY_ONE:
            held = self.held()
            return [held[literal] for literal in literals]
        return [self._with(literal) for literal in literals]

    def _with(self, literal: int) -> Bits:
        undo = self.require(literal, self.every)
        found = self.solvable[-1]
        for sets, index, before in reversed(undo):
            sets[index] = before
        return found

    def require(self, literal: int, which: Bits) -> list[Change]:
        """Make a literal hold in some configurations; what that changed."""
        changes: list[Change] = []
        touched: set[int] = set()
        less = self.allowed[-literal] & ~which
        if less == self.allowed[-literal]:
            return changes
        changes.append((self.allowed, -literal, self.allowed[-literal]))
        self.allowed[-literal] = less
        self._narrow(self.holding[-literal], less, changes, touched)
        both = less | self.allowed[literal]
        self._narrow(self.open[abs(literal)], both, changes, touched)
        waiting = list(touched)
        heapify(waiting)
        while waiting:
            node = heappop(waiting)
            touched.discard(node)
            less = reduce(or_, self.through[node])
            if less != self.solvable[node]:
                changes.append((self.solvable, node, self.solvable[node]))
                self.solvable[node] = less
                for parent in self._narrow(self.above[node], less, changes, touched):
                    heappush(waiting, parent)
        return changes

    def _narrow(
        self,
        branches: Sequence[tuple[int, int]],
        which: Bits,
        changes: list[Change],
        touched: set[int],
    ) -> list[int]:
        """Keep only these configurations in some branches; nodes that were not touched before."""
        fresh = []
        for node, j in branches:
            before = self.through[node][j]
            less = before & which
            if less != before:
                changes.append((self.through[node], j, before))
                self.through[node][j] = less
                if node not in touched:
                    touched.add(node)
                    fresh.append(node)
        return fresh

    def held(self) -> list[Bits]:
        """For each literal the configurations that can have it; one pass down the circuit."""
        found: list[Bits] = [0] * len(self.allowed)
        reached: list[Bits] = [0] * len(self.nodes)
        reached[-1] = self.every
        for i in range(len(self.nodes) - 1, -1, -1):
            check_deadline("sample")
            for (literals, free, children), through in zip(
                self.nodes[i], self.through[i], strict=True
            ):
                which = through & reached[i]
                if not which:
                    continue
                for literal in literals:
                    found[literal] |= which
                for variable in free:
                    found[variable] |= which & self.allowed[variable]
                    found[-variable] |= which & self.allowed[-variable]
                for child in children:
                    reached[child] |= which
        return found


def _rows_of(which: Bits, n: int) -> npt.NDArray[np.bool_]:
    """A set as a Boolean array of length `n`."""
    found = np.frombuffer(which.to_bytes(n // 8 + 1, "little"), dtype=np.uint8)
    return np.unpackbits(found, bitorder="little")[:n].astype(np.bool_)


def _set_of(rows: npt.NDArray[np.bool_]) -> Bits:
    """A Boolean array as a set."""
    return int.from_bytes(np.packbits(rows, bitorder="little").tobytes(), "little")
