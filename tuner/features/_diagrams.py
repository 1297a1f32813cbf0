"""Comparisons between numbers as decision diagrams over the values of a few features.

A `Diagram` branches on one feature a level: on each value of its domain and, last, on the feature
not being selected (two branches, selected or not, where only that matters). Equal parts are
shared, so a diagram is small where the comparison is simple, whatever the sizes of the domains.
Sums of many terms are followed term by term through their partial sums (as pseudo-Boolean
constraints are turned into diagrams, see Abio et al. 2012, "A New Look at BDDs for Pseudo-Boolean
Constraints"); anything else is tabulated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import prod

import numpy as np
import numpy.typing as npt

from tuner.features._deadline import check_deadline
from tuner.features._errors import ModelError
from tuner.features._model import FeatureModel
from tuner.features._vector import COMPARE, Columns, Compiler, Floats
from tuner.features.expression import (
    TOLERANCE,
    Aggregate,
    Arithmetic,
    AttributeOf,
    Compare,
    Constant,
    Term,
    ValueOf,
    walk,
)

LARGEST_TABLE = 1_000_000
"""Combinations of values that are tabulated at once."""

LARGEST_SUM = 10_000_000
"""Partial sums, each with each value that is added to it, that are followed in one comparison."""

LARGEST_DIAGRAMS = 1_000_000
"""Nodes of all diagrams of a model."""

FALSE, TRUE = 0, 1
Ids = npt.NDArray[np.int64]


@dataclass
class Diagrams:
    """The shared nodes of all decision diagrams of a model.

    Node `i` is `(feature, children)`; nodes 0 and 1 are false and true and have no feature.
    """

    compiler: Compiler
    nodes: list[tuple[str, tuple[int, ...]]] = field(default_factory=lambda: [("", ()), ("", ())])
    _known: dict[tuple[str, tuple[int, ...]], int] = field(default_factory=dict)

    @property
    def model(self) -> FeatureModel:
        """The model whose features the diagrams branch on."""
        return self.compiler.model

    def node(self, feature: str, children: tuple[int, ...]) -> int:
        """The node with these children, one per branch."""
        if len(set(children)) == 1:
            return children[0]
        key = (feature, children)
        if key not in self._known:
            if len(self.nodes) >= LARGEST_DIAGRAMS:
                raise ModelError(
                    "comparisons and cardinalities of the model tie so many features together"
                    f" that their diagrams have more than {LARGEST_DIAGRAMS} nodes: give them fewer"
                    " features or fewer values"
                )
            self._known[key] = len(self.nodes)
            self.nodes.append(key)
        return self._known[key]

    def comparison(self, compare: Compare, what: str) -> int:
        """The diagram of a comparison; `what` names the constraint in an error."""
        features = self._features(compare)
        if prod(self._branches(name) for name in features) <= LARGEST_TABLE:
            truth = self.compiler.condition(compare)(self._grid(features))
            shape = (1, *(self._branches(name) for name in features))
            return int(self._reduce(np.broadcast_to(truth, shape[1:]).reshape(shape), features)[0])
        return self._summed(compare, what)

    def counting(self, features: Sequence[str], lower: int, upper: int) -> int:
        """The diagram of `lower` to `upper` of these features being selected."""
        n = len(features)
        level = [TRUE if lower <= i <= upper else FALSE for i in range(n + 1)]
        for name in reversed(features):
            check_deadline()
            branches = 2 if not self.model.features[name].typed else self._branches(name)
            level = [
                self.node(name, (*([level[i + 1]] * (branches - 1)), level[i]))
                for i in range(len(level) - 1)
            ]
        return level[0]

    def _features(self, term: Compare | Term) -> list[str]:
        """The features that a comparison depends on, in the order of the model."""
        found: set[str] = set()
        for node in walk(term):
            if isinstance(node, ValueOf | AttributeOf):
                found.add(node.feature)
            elif isinstance(node, Aggregate):
                found.update(self.compiler.members(node))
        return sorted(found, key=self._order.__getitem__)

    @cached_property
    def _order(self) -> dict[str, int]:
        """The place of each feature in the model."""
        return {name: i for i, name in enumerate(self.model.features)}

    def _branches(self, name: str) -> int:
        feature = self.model.features[name]
        return len(feature.domain) + 1

    def _grid(self, features: Sequence[str]) -> Columns:
        """Columns that broadcast to every combination of the branches of these features."""
        selected, values = {}, {}
        for axis, name in enumerate(features):
            feature, n = self.model.features[name], self._branches(name)
            shape = [1] * len(features)
            shape[axis] = n
            selected[name] = (np.arange(n) < n - 1).reshape(shape)
            if feature.typed:
                codes = [self.compiler.vocabulary.code(value) for value in feature.domain]
                values[name] = np.array([*codes, np.nan]).reshape(shape)
        return Columns(selected, values)

    def _reduce(self, table: npt.NDArray[np.generic], features: Sequence[str]) -> Ids:
        """Fold a table of node ids, shape `n x branches ..`, to the ids of `n` diagrams."""
        ids = table.astype(np.int64)
        for name in reversed(features):
            ids = ids.reshape(-1, ids.shape[-1])
            first, inverse = _unique_rows(ids)
            made = [self.node(name, tuple(row)) for row in ids[first].tolist()]
            ids = np.array(made, dtype=np.int64)[inverse].reshape(table.shape[: table.ndim - 1])
            table = ids
        return ids

    def _summed(self, compare: Compare, what: str) -> int:
        """The diagram of a comparison of two sums, block by block of terms that share features."""
        constant = 0.0
        terms: list[tuple[float, Term]] = []
        for sign, side in ((1.0, compare.left), (-1.0, compare.right)):
            for factor, term in _terms(side, sign, self.compiler):
                if isinstance(term, Constant):
                    constant += factor * float(term.value)
                else:
                    terms.append((factor, term))
        blocks = self._blocks(terms)
        states: Floats = np.array([constant])
        steps, largest, cells = [], max(1.0, abs(constant)), 0
        for features, block in blocks:
            check_deadline()
            shape = tuple(self._branches(name) for name in features)
            if prod(shape) > LARGEST_TABLE:
                raise self._too_large(what, features)
            grid, added = self._grid(features), np.float64(0.0)
            with np.errstate(all="ignore"):
                for factor, term in block:
                    added = added + factor * self.compiler.term(term)(grid)  # type: ignore[assignment]
            table = np.broadcast_to(added, shape).ravel()
            step = len(states) * len(table)
            cells += step
            if step > 2 * LARGEST_TABLE or cells > LARGEST_SUM:
                raise self._too_large(what, [name for f, _ in blocks for name in f])
            largest += float(np.nanmax(np.abs(table), initial=0.0))
            sums = states[:, None] + table[None, :]
            states, inverse = np.unique(np.round(sums, 12), return_inverse=True)
            steps.append((features, inverse.reshape(len(sums), *shape)))
        truth = COMPARE[compare.operator](states, np.float64(TOLERANCE * largest))  # type: ignore[arg-type]
        ids: Ids = truth.astype(np.int64)
        for features, inverse in reversed(steps):
            check_deadline()
            ids = self._reduce(ids[inverse], features)
        return int(ids[0])

    def _blocks(
        self, terms: list[tuple[float, Term]]
    ) -> list[tuple[list[str], list[tuple[float, Term]]]]:
        """Terms put together where they share features, and the features of each block."""
        blocks: dict[int, tuple[set[str], list[tuple[float, Term]]]] = {}
        block_of: dict[str, int] = {}
        for i, (factor, term) in enumerate(terms):
            names = set(self._features(term))
            members = [(factor, term)]
            for other in sorted({block_of[name] for name in names if name in block_of}):
                joined = blocks.pop(other)
                names, members = names | joined[0], joined[1] + members
            blocks[i] = (names, members)
            block_of.update(dict.fromkeys(names, i))
        return [
            (sorted(names, key=self._order.__getitem__), members)
            for names, members in blocks.values()
        ]

    def _too_large(self, what: str, features: Sequence[str]) -> ModelError:
        short = what if len(what) <= 80 else what[:77] + ".."
        return ModelError(
            f"the constraint `{short}` ties {len(features)} features together in more than"
            f" {LARGEST_TABLE} combinations of values: write it as several smaller ones, or give"
            " its features fewer values"
        )


def _terms(side: Term, factor: float, compiler: Compiler) -> list[tuple[float, Term]]:
    """A sum as its terms, each with a factor."""
    match side:
        case Arithmetic("+", operands):
            return [t for operand in operands for t in _terms(operand, factor, compiler)]
        case Arithmetic("-", (left, right)):
            return _terms(left, factor, compiler) + _terms(right, -factor, compiler)
        case Arithmetic("*", operands):
            numbers = [o.value for o in operands if isinstance(o, Constant)]
            others = [o for o in operands if not isinstance(o, Constant)]
            if len(others) == 1:
                return _terms(
                    others[0], factor * float(np.prod([float(n) for n in numbers])), compiler
                )
        case Aggregate("sum", attribute, _):
            return [(factor, AttributeOf(name, attribute)) for name in compiler.members(side)]
    return [(factor, side)]


def _unique_rows(ids: Ids) -> tuple[Ids, Ids]:
    """Where each different row occurs first, and for each row which of them it is."""
    keys = np.zeros(len(ids), dtype=np.int64)
    for column in ids.T:
        _, digits = np.unique(column, return_inverse=True)
        keys = keys * (int(digits.max(initial=0)) + 1) + digits
        _, keys = np.unique(keys, return_inverse=True)
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    return first.astype(np.int64), inverse.astype(np.int64)
