"""From the root of a circuit down to many configurations at once.

Every configuration chooses one branch of each node that it comes to; the configurations that meet
at a node are handled together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tuner.features._ddnnf import Circuit
from tuner.features._deadline import check_deadline
from tuner.features._encoding import Encoding
from tuner.features._rows import UNSELECTED, Rows

Ranks = npt.NDArray[np.int64] | npt.NDArray[np.object_]
Ids = npt.NDArray[np.int64]


@dataclass(frozen=True)
class CircuitReader:
    """A circuit, and what its literals stand for (as in `Compiled`)."""

    encoding: Encoding
    circuit: Circuit
    sizes: list[int]
    members: Mapping[int, tuple[str, tuple[int, ...]]]

    def empty(self, n: int) -> PartialAssignments:
        """`n` configurations of which nothing is known."""
        true = np.zeros((self.circuit.variables + 1, n), dtype=np.bool_)
        values = {name: np.zeros(n, dtype=np.int32) for name in self.encoding.classes}
        return PartialAssignments(self, true, values)


@dataclass(frozen=True)
class PartialAssignments:
    """Configurations in the making.

    Attributes:
        reader: where they come from.
        true: the variables that hold, shape `variables + 1 x n`.
        values: for each typed feature the index of its value, where it is selected.
    """

    reader: CircuitReader
    true: npt.NDArray[np.bool_]
    values: dict[str, npt.NDArray[np.int32]]

    def hold(self, literals: tuple[int, ...], which: Ids) -> None:
        """Make literals true in some of the configurations."""
        positive = [literal for literal in literals if literal > 0]
        if positive:
            self.true[np.array(positive)[:, None], which] = True

    def pick(self, literal: int, which: Ids, digits: Ranks) -> None:
        """Take the value with this number out of those that a literal stands for."""
        name, members = self.reader.members[literal]
        self.values[name][which] = np.array(members, dtype=np.int32)[digits.astype(np.int64)]

    def rows(self) -> Rows:
        """The configurations as rows."""
        encoding = self.reader.encoding
        variables = [encoding.selected[name] for name in encoding.model.features]
        rows = np.where(self.true[variables].T, np.int32(0), np.int32(UNSELECTED))
        for column, name in enumerate(encoding.model.features):
            if name in self.values:
                selected = rows[:, column] >= 0
                rows[selected, column] = self.values[name][selected]
        return np.ascontiguousarray(rows)


def unrank(
    reader: CircuitReader, counts: tuple[list[list[int]], list[int], int], ranks: Ranks
) -> Rows:
    """The configurations with these ranks in the order that the circuit gives them.

    Args:
        reader: the circuit.
        counts: solutions of each branch, of each node, and of the whole.
        ranks: below the number of solutions; of type object where int64 is too small.

    """
    branches, nodes, _ = counts
    circuit, sizes = reader.circuit, reader.sizes
    assignments = reader.empty(len(ranks))
    waiting: dict[int, list[tuple[Ids, Ranks]]] = {}

    def enter(branch: tuple[tuple[int, ...], ...], which: Ids, ranks: Ranks) -> None:
        literals, free, children = branch
        assignments.hold(literals, which)
        for literal in literals:
            if literal in reader.members:
                ranks, digits = ranks // sizes[literal], ranks % sizes[literal]
                assignments.pick(literal, which, digits)
        for variable in free:
            check_deadline("sample")
            size, both = sizes[variable], sizes[variable] + sizes[-variable]
            ranks, digits = ranks // both, ranks % both
            inside = np.asarray(digits < size, dtype=np.bool_)
            assignments.true[variable, which] = inside
            if variable in reader.members:
                assignments.pick(variable, which[inside], digits[inside])
        for child in children:
            waiting.setdefault(child, []).append((which, ranks % nodes[child]))
            ranks = ranks // nodes[child]

    enter(circuit.root, np.arange(len(ranks)), ranks)
    for i in range(len(nodes) - 1, -1, -1):
        if i not in waiting:
            continue
        check_deadline("sample")
        met = waiting.pop(i)
        which = np.concatenate([ids for ids, _ in met])
        ranks = np.concatenate([r for _, r in met])
        for branch, count in zip(circuit.nodes[i], branches[i], strict=True):
            inside = np.asarray(ranks < count, dtype=np.bool_)
            if inside.any():
                enter(branch, which[inside], ranks[inside])
            which, ranks = which[~inside], ranks[~inside] - count
    return assignments.rows()
