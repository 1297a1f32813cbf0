"""Steps between valid configurations: mutation, neighbours, the nearest one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tuner.space._elimination import Network
from tuner.space._layout import Decision, ordered, positions
from tuner.space.contract import INACTIVE, Codes

if TYPE_CHECKING:
    from tuner.space.search_space import SearchSpace

Numbers = npt.NDArray[np.float64]

TRIES = 8
"""Random proposals for a row before it is left as it is."""

COMPLETED = 40_000_000
"""Table entries that `mutate` may spend on completing proposals; beyond that it proposes again."""

NEAR = 0.5
"""Share of the changes of an ordered parameter that go one step up or down."""

STEP, DEFAULT = 1e-3, 1e-3
"""What the length of a step, and a new value that is not the default, count beside a change."""

ENTRIES = 4_000_000
"""Entries of the largest table in one batch of `nearest`."""


def mutate(space: SearchSpace, codes: Codes, rng: np.random.Generator, changes: int) -> Codes:
    """See `Space.mutate`."""
    result = np.array(codes, dtype=np.int32)
    if not space.parameters:
        return result
    todo = np.arange(len(codes))
    affordable = COMPLETED // space.width
    for _ in range(TRIES):
        proposal, forced = codes[todo], np.zeros((len(todo), codes.shape[1]), dtype=bool)
        for _ in range(changes):
            proposal, changed = _changed(space, proposal, rng)
            forced |= changed
        rows = space.canonical(proposal)
        good = space.is_valid(rows)
        # Some parameters change only together with others: the nearest valid row brings them.
        broken = np.flatnonzero(~good)[: max(affordable, 0)]
        if len(broken):
            rows[broken], costs = space.nearest(proposal[broken], forced[broken])
            good[broken] = np.isfinite(costs)
            affordable -= len(broken)
        good &= (rows != codes[todo]).any(axis=1)
        result[todo[good]] = rows[good]
        todo = todo[~good]
        if not len(todo):
            break
    return result


def _changed(
    space: SearchSpace, rows: Codes, rng: np.random.Generator
) -> tuple[Codes, npt.NDArray[np.bool_]]:
    """Rows with one random active parameter changed, what this activates filled in, and where."""
    rows = rows.copy()
    sizes = np.array([len(p.values) for p in space.parameters])
    steps = np.array([p.kind == "ordered" for p in space.parameters])
    each = np.arange(len(rows))
    column = np.where(rows != INACTIVE, rng.random(rows.shape), -1.0).argmax(axis=1)
    old, size = rows[each, column], sizes[column]
    new = (old + rng.integers(1, np.maximum(size, 2))) % size
    step = old + rng.choice([-1, 1], len(rows))
    near = steps[column] & (rng.random(len(rows)) < NEAR) & (step >= 0) & (step < size)
    rows[each, column] = np.where(near, step, new)
    forced = np.zeros(rows.shape, dtype=bool)
    forced[each, column] = True
    filled = space.completed(rows)
    fresh = (filled != INACTIVE) & (rows == INACTIVE) & (rng.random((len(rows), 1)) < 0.5)
    rows = np.where(fresh, rng.integers(0, sizes, rows.shape), filled).astype(np.int32)
    return space.completed(rows), forced


def neighbours(space: SearchSpace, code: Codes) -> Codes:
    """See `Space.neighbours`."""
    proposals: list[Codes] = []
    columns: list[int] = []
    for i, p in enumerate(space.parameters):
        if code[i] == INACTIVE:
            continue
        near = (code[i] - 1, code[i] + 1) if p.kind == "ordered" else range(len(p.values))
        for value in near:
            if value != code[i] and 0 <= value < len(p.values):
                row = np.array(code, dtype=np.int32)
                row[i] = value
                proposals.append(row)
                columns.append(i)
    if not proposals:
        return np.zeros((0, len(code)), dtype=np.int32)
    wishes = np.array(proposals)
    rows = space.canonical(wishes)
    good = space.is_valid(rows)
    # Defaults of what a change activates may contradict the rest: take what the rules allow.
    opened = ~good & ((space.completed(wishes) != INACTIVE) & (wishes == INACTIVE)).any(axis=1)
    if opened.any():
        kept = wishes[opened]
        forced = np.zeros(kept.shape, dtype=bool)
        forced[np.arange(len(kept)), np.array(columns)[opened]] = True
        found, costs = space.nearest(kept, forced)
        rows[opened], good[opened] = found, costs < 1
    rows = rows[good & (rows != code).any(axis=1)]
    return np.unique(rows, axis=0)


def nearest(
    network: Network,
    costs: Sequence[Numbers],
    codes: Codes,
    forced: npt.NDArray[np.bool_] | None,
) -> tuple[npt.NDArray[np.int32], Numbers]:
    """The network's rows nearest to rows of codes, and their distances, by `costs_of` decisions."""
    batch = max(1, ENTRIES // network.largest)
    parts = [slice(k, k + batch) for k in range(0, max(len(codes), 1), batch)]
    results = [
        network.nearest(
            [
                _wished(table, codes[part, i], None if forced is None else forced[part, i])
                for i, table in enumerate(costs)
            ]
        )
        for part in parts
    ]
    return np.concatenate([r for r, _ in results]), np.concatenate([c for _, c in results])


def costs_of(decision: Decision) -> Numbers:
    """What each state of a decision costs where each of its values was wished for, or, last, none.

    A decision that is active in both and differs counts 1, and a little for the length of the
    step; one that becomes active counts a little where it is not at its default. Shape
    `(values + 1) x length`.
    """
    size = len(decision.values)
    places = np.array(positions(decision)) if ordered(decision) else np.zeros(size)
    table = np.abs(places[:, None] - places[None, :]) * STEP
    table[~np.eye(size, dtype=bool)] += 1.0
    fresh = np.abs(places - places[decision.default]) * DEFAULT + DEFAULT / 10
    fresh[decision.default] = 0.0
    table = np.vstack([table, fresh])
    inactive = np.zeros((len(table), decision.length - size))
    return np.hstack([table, inactive])


def _wished(table: Numbers, codes: Codes, forced: npt.NDArray[np.bool_] | None) -> Numbers:
    """What each state of a decision costs each row, `n x length`; infinite beside forced values."""
    size = len(table) - 1
    wanted = (codes >= 0) & (codes < size)
    costs: Numbers = table[np.where(wanted, codes, size)]
    if forced is not None:
        held = (forced & wanted).nonzero()[0]
        kept = costs[held, codes[held]]
        costs[held] = np.inf
        costs[held, codes[held]] = kept
    return costs
