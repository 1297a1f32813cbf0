"""Exact counting, sampling and repair over a few dozen finite variables, by bucket elimination.

A network has variables with finite domains and Boolean tables over a few of them each; an
assignment is valid where every table is True. Variables are eliminated one after another: all
tables that mention a variable are joined, and what they say about the others is passed on. The
joined tables, read backwards, answer everything without a search: the number of valid
assignments, values without a valid assignment, draws from them, and the one nearest to a wish
(Dechter 1999, "Bucket elimination: a unifying framework for reasoning").

Everything is numpy over whole tables and whole batches; no row is ever rejected.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from tuner.features import check_deadline

BoolTable = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.float64]
Array = npt.NDArray[Any]
Assignments = npt.NDArray[np.int32]

LARGEST_TABLE = 20_000_000
"""Entries that a joined table may have, 160 MB as numbers."""


class TreewidthExceeded(Exception):  # noqa: N818 - not an error of the caller's making
    """Joining the tables would take more memory than `LARGEST_TABLE`."""


@dataclass(frozen=True)
class Factor:
    """A Boolean table over some variables; one axis for each variable in `scope`."""

    scope: tuple[int, ...]
    table: BoolTable


@dataclass(frozen=True)
class _Bucket:
    """What is known about a variable given those that are eliminated after it.

    `scope` starts with the variable itself; `table` joins the tables given for it, without what
    the buckets in `inputs` pass on.
    """

    variable: int
    scope: tuple[int, ...]
    table: BoolTable
    inputs: tuple[int, ...]

    @property
    def rest(self) -> tuple[int, ...]:
        return self.scope[1:]


class Network:
    """Variables with finite domains, and tables that say which assignments are valid."""

    def __init__(
        self, lengths: Sequence[int], factors: Sequence[Factor], ranks: Sequence[int]
    ) -> None:
        """Prepare the elimination.

        Args:
            lengths: number of values of each variable.
            factors: the tables.
            ranks: variables of high rank are drawn before those of low rank.

        Raises:
            TreewidthExceeded: where the tables can't be joined in memory.
        """
        self.lengths = tuple(lengths)
        self._possible = all(bool(f.table) for f in factors if not f.scope)
        self._buckets = _build(self.lengths, [f for f in factors if f.scope], ranks)

    @property
    def sampling_order(self) -> list[int]:
        """The variables in the order in which `sample` decides them."""
        return [bucket.variable for bucket in reversed(self._buckets)]

    @cached_property
    def size(self) -> int:
        """Exact number of valid assignments."""
        exact = math.prod(self.lengths) >= 2**62
        dtype = np.dtype(object) if exact else np.dtype(np.int64)
        messages: dict[int, Array] = {}
        total = int(self._possible)
        for i, bucket in enumerate(self._buckets):
            joint = bucket.table.astype(dtype)
            for j in bucket.inputs:
                joint = joint * _spread(messages.pop(j), self._buckets[j].rest, bucket.scope)
            message = joint.sum(axis=0)
            if bucket.rest:
                messages[i] = message
            else:
                total *= int(message)
        return total

    @cached_property
    def _weights(self) -> list[Numbers]:
        """For each bucket the number of valid completions, up to a factor. Exactly 0 where none."""
        joints: list[Numbers] = []
        messages: dict[int, Numbers] = {}
        for i, bucket in enumerate(self._buckets):
            joint = bucket.table.astype(np.float64)
            for j in bucket.inputs:
                joint = joint * _spread(messages.pop(j), self._buckets[j].rest, bucket.scope)
            joints.append(joint)
            message = joint.sum(axis=0)
            messages[i] = message / max(float(message.max(initial=0.0)), 1e-300)
        return joints

    @cached_property
    def support(self) -> list[BoolTable]:
        """For each variable, which of its values occur in a valid assignment."""
        reached: list[BoolTable] = [np.zeros(0, dtype=bool)] * len(self._buckets)
        found: list[BoolTable] = [np.zeros(length, dtype=bool) for length in self.lengths]
        for i in reversed(range(len(self._buckets))):
            bucket = self._buckets[i]
            possible = self._weights[i] > 0
            if bucket.rest:
                above = self._consumer[i]
                possible = possible & _project(
                    reached[above], self._buckets[above].scope, bucket.rest
                )
            reached[i] = possible
            found[bucket.variable] = np.asarray(possible.any(axis=tuple(range(1, possible.ndim))))
        if not self.satisfiable:
            return [np.zeros(length, dtype=bool) for length in self.lengths]
        return found

    @property
    def largest(self) -> int:
        """Entries of the largest joined table."""
        return max((bucket.table.size for bucket in self._buckets), default=1)

    @property
    def satisfiable(self) -> bool:
        """Whether there is a valid assignment."""
        return self._possible and all(
            bool(weights.any())
            for weights, bucket in zip(self._weights, self._buckets, strict=True)
            if not bucket.rest
        )

    @cached_property
    def _consumer(self) -> dict[int, int]:
        """For each bucket that passes something on, the bucket that takes it."""
        return {j: i for i, bucket in enumerate(self._buckets) for j in bucket.inputs}

    def valid(self, rows: Assignments) -> BoolTable:
        """Whether each assignment fulfils every table. Assignments hold indices in range."""
        result = np.full(len(rows), self._possible)
        for factor in self._merged:
            result &= factor.table[tuple(rows[:, i] for i in factor.scope)]
        return result

    @cached_property
    def _merged(self) -> list[Factor]:
        """The buckets' own tables: the same condition as all factors, in fewer look-ups."""
        return [Factor(b.scope, b.table) for b in self._buckets if not b.table.all()]

    def sample(self, n: int, rng: np.random.Generator, *, uniform: bool) -> Assignments:
        """`n` valid assignments, with replacement.

        Uniform over assignments; or else each variable, high ranks first, uniform over the values
        that still have a completion, so that no value drowns for having few completions.
        """
        rows = np.zeros((n, len(self.lengths)), dtype=np.int32)
        for cumulative, bucket in zip(
            self._cumulative(uniform), reversed(self._buckets), strict=True
        ):
            given = cumulative[_at(rows, bucket)]
            given = given.reshape(len(cumulative), -1)  # one column alone where nothing is given
            wish = rng.random(n) * given[-1]
            rows[:, bucket.variable] = (given <= wish).sum(axis=0)
        return rows

    def _cumulative(self, uniform: bool) -> list[Numbers]:
        """Sums along each variable of the weights of its values, last eliminated first."""
        known = self.__dict__.setdefault("_sums", {})
        if uniform not in known:
            weights = self._weights if uniform else [(w > 0).astype(float) for w in self._weights]
            known[uniform] = [np.cumsum(w, axis=0) for w in reversed(weights)]
        sums: list[Numbers] = known[uniform]
        return sums

    def all(self) -> Assignments:
        """Every valid assignment, in the order of its values."""
        rows = np.zeros((1, len(self.lengths)), dtype=np.int32)
        for weights, bucket in zip(reversed(self._weights), reversed(self._buckets), strict=True):
            given = weights[_at(rows, bucket)]
            value, row = np.nonzero(given.reshape(len(weights), -1) + np.zeros(len(rows)))
            rows = rows[row]
            rows[:, bucket.variable] = value
        return rows[np.lexsort(rows.T[::-1])] if self.lengths else rows

    def cheapest(self, costs: Sequence[Numbers]) -> tuple[Assignments, Numbers]:
        """The valid assignment of least cost for each row.

        Args:
            costs: for each variable its costs, shape `n x length`; infinite where forbidden.

        Returns:
            The assignments `n x variables` and their costs `n`, infinite where there is none.
        """
        n = len(costs[0]) if costs else 1
        messages: dict[int, Numbers] = {}
        joints: list[Numbers] = []
        total = np.full(n, 0.0 if self._possible else np.inf)
        for i, bucket in enumerate(self._buckets):
            shape = (n, self.lengths[bucket.variable]) + (1,) * len(bucket.rest)
            joint = np.where(bucket.table[None], costs[bucket.variable].reshape(shape), np.inf)
            for j in bucket.inputs:
                joint = joint + _spread(messages.pop(j), self._buckets[j].rest, bucket.scope, 1)
            joints.append(joint)
            message = joint.min(axis=1)
            if bucket.rest:
                messages[i] = message
            else:
                total += message
        rows = np.zeros((n, len(self.lengths)), dtype=np.int32)
        each = np.arange(n)
        for joint, bucket in zip(reversed(joints), reversed(self._buckets), strict=True):
            given = joint[(each, *_at(rows, bucket))]
            rows[:, bucket.variable] = given.argmin(axis=1)
        return rows, total


def _order(lengths: Sequence[int], factors: Sequence[Factor], ranks: Sequence[int]) -> list[int]:
    """Low ranks first, each time the variable with the smallest joined table."""
    near = [{i} for i in range(len(lengths))]  # what shares a table with each, itself included
    for factor in factors:
        for i in factor.scope:
            near[i].update(factor.scope)
    sizes = {i: math.prod(lengths[k] for k in near[i]) for i in range(len(lengths))}
    order: list[int] = []
    while sizes:
        check_deadline("make a search space of it")
        variable = min(sizes, key=lambda i: (ranks[i], sizes[i], i))
        if sizes.pop(variable) > LARGEST_TABLE:
            raise TreewidthExceeded
        order.append(variable)
        rest = near[variable] - {variable}
        for i in rest:
            near[i] |= rest
            near[i].discard(variable)
            sizes[i] = math.prod(lengths[k] for k in near[i])
    return order


def _build(
    lengths: Sequence[int], factors: Sequence[Factor], ranks: Sequence[int]
) -> list[_Bucket]:
    """Join for each variable, in the order of elimination, what is known about it by then."""
    waiting: dict[int, list[Factor]] = {i: [] for i in range(len(lengths))}
    passed: dict[int, list[int]] = {i: [] for i in range(len(lengths))}  # buckets
    order = _order(lengths, factors, ranks)
    turn = {variable: k for k, variable in enumerate(order)}
    for factor in factors:
        waiting[min(factor.scope, key=turn.__getitem__)].append(factor)
    buckets: list[_Bucket] = []
    for variable in order:
        check_deadline("make a search space of it")
        scopes = [factor.scope for factor in waiting[variable]]
        scopes += [buckets[j].rest for j in passed[variable]]
        scope = (variable, *sorted({i for s in scopes for i in s} - {variable}))
        table = np.ones([lengths[k] for k in scope], dtype=bool)
        for factor in waiting[variable]:
            table &= _spread(factor.table, factor.scope, scope)
        buckets.append(_Bucket(variable, scope, table, tuple(passed[variable])))
        if len(scope) > 1:
            passed[min(scope[1:], key=turn.__getitem__)].append(len(buckets) - 1)
    return buckets


def _spread(table: Array, scope: Sequence[int], onto: Sequence[int], leading: int = 0) -> Array:
    """The table with its axes in the order of `onto`, and length 1 where it has none of them.

    `leading` axes at the front stay where they are.
    """
    order = sorted(range(len(scope)), key=lambda axis: onto.index(scope[axis]))
    table = table.transpose([*range(leading), *(axis + leading for axis in order)])
    places = {onto.index(v) for v in scope}
    return table[
        (
            *(slice(None),) * leading,
            *(slice(None) if k in places else None for k in range(len(onto))),
        )
    ]


def _at(rows: Assignments, bucket: _Bucket) -> tuple[Any, ...]:
    """The index of a bucket's column that belongs to each row."""
    return (slice(None), *(rows[:, i] for i in bucket.rest))


def _project(table: BoolTable, scope: Sequence[int], onto: Sequence[int]) -> BoolTable:
    """Whether something is True for each assignment of `onto`, with one axis in front."""
    drop = tuple(axis for axis, variable in enumerate(scope) if variable not in onto)
    kept = [variable for variable in scope if variable in onto]
    table = np.asarray(table.any(axis=drop))
    return table.transpose([kept.index(variable) for variable in onto])[None]
