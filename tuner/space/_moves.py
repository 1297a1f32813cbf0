"""Steps between valid rows of codes: mutation and neighbours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tuner.space._code_algebra import CodeAlgebra
from tuner.space.contract import INACTIVE, Codes, Parameter

TRIES = 8
"""Random proposals for a row before it is left as it is."""

COMPLETED = 40_000_000
"""Table entries that `mutate` may spend on completing proposals; beyond that it proposes again."""

NEAR = 0.5
"""Share of the changes of an ordered parameter that go one step up or down."""


def mutate(
    algebra: CodeAlgebra,
    parameters: Sequence[Parameter],
    codes: Codes,
    rng: np.random.Generator,
    changes: int,
) -> Codes:
    """See `Space.mutate`."""
    result = np.array(codes, dtype=np.int32)
    if not parameters:
        return result
    todo = np.arange(len(codes))
    affordable = COMPLETED // algebra.network.largest
    for _ in range(TRIES):
        proposal, forced = codes[todo], np.zeros((len(todo), codes.shape[1]), dtype=bool)
        for _ in range(changes):
            proposal, changed = _changed(algebra, parameters, proposal, rng)
            forced |= changed
        rows = algebra.canonical(proposal)
        good = algebra.is_valid(rows)
        # Some parameters change only together with others: the nearest valid row brings them.
        broken = np.flatnonzero(~good)[: max(affordable, 0)]
        if len(broken):
            rows[broken], costs = algebra.nearest(proposal[broken], forced[broken])
            good[broken] = np.isfinite(costs)
            affordable -= len(broken)
        good &= (rows != codes[todo]).any(axis=1)
        result[todo[good]] = rows[good]
        todo = todo[~good]
        if not len(todo):
            break
    return result


def _changed(
    algebra: CodeAlgebra, parameters: Sequence[Parameter], rows: Codes, rng: np.random.Generator
) -> tuple[Codes, npt.NDArray[np.bool_]]:
    """Rows with one random active parameter changed, what this activates filled in, and where."""
    rows = rows.copy()
    sizes = algebra.sizes
    steps = np.array([p.kind == "ordered" for p in parameters])
    each = np.arange(len(rows))
    column = np.where(rows != INACTIVE, rng.random(rows.shape), -1.0).argmax(axis=1)
    old, size = rows[each, column], sizes[column]
    new = (old + rng.integers(1, np.maximum(size, 2))) % size
    step = old + rng.choice([-1, 1], len(rows))
    near = steps[column] & (rng.random(len(rows)) < NEAR) & (step >= 0) & (step < size)
    rows[each, column] = np.where(near, step, new)
    forced = np.zeros(rows.shape, dtype=bool)
    forced[each, column] = True
    filled = algebra.completed(rows)
    fresh = (filled != INACTIVE) & (rows == INACTIVE) & (rng.random((len(rows), 1)) < 0.5)
    rows = np.where(fresh, rng.integers(0, sizes, rows.shape), filled).astype(np.int32)
    return algebra.completed(rows), forced


def neighbours(algebra: CodeAlgebra, parameters: Sequence[Parameter], code: Codes) -> Codes:
    """See `Space.neighbours`."""
    proposals: list[Codes] = []
    columns: list[int] = []
    for i, p in enumerate(parameters):
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
    rows = algebra.canonical(wishes)
    good = algebra.is_valid(rows)
    # Defaults of what a change activates may contradict the rest: take what the rules allow.
    opened = ~good & ((algebra.completed(wishes) != INACTIVE) & (wishes == INACTIVE)).any(axis=1)
    if opened.any():
        kept = wishes[opened]
        forced = np.zeros(kept.shape, dtype=bool)
        forced[np.arange(len(kept)), np.array(columns)[opened]] = True
        found, costs = algebra.nearest(kept, forced)
        rows[opened], good[opened] = found, costs < 1
    rows = rows[good & (rows != code).any(axis=1)]
    return np.unique(rows, axis=0)
