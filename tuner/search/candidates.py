"""Optimising an acquisition function over a space: all of it, or a pool and climbs from it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from botorch.acquisition import AcquisitionFunction

from tuner.space.contract import Codes, Space
from tuner.surrogates.surrogate import as_inputs

Floats = npt.NDArray[np.float64]

POOL = 1_000
"""Fresh configurations in the pool; half of them drawn uniformly over configurations."""
MUTANTS = 500
"""Changed front configurations in the pool, one to three changes each."""
STARTS = 16
"""How many of the best are climbed from in each round."""
CHILDREN = 12
"""Changed configurations tried of each of them."""
ROUNDS = 6
"""Rounds of climbing, fewer where one of them finds nothing better."""
BLOCK = 512
"""Configurations evaluated at once: what that takes then stays in the processor's cache."""


def optimize_acquisition(
    space: Space,
    acquisition: AcquisitionFunction,
    known: Codes,
    front: Codes,
    rng: np.random.Generator,
) -> tuple[Codes, Floats]:
    """Valid configurations that are not known yet and their values, best first.

    All of them where the space can be listed; otherwise a pool drawn afresh from the space and
    from around the front, and climbs from its best by changing one or two decisions at a time.
    """
    rows = space.rows()
    if rows is not None:
        rows = without(rows, known)
        return _sorted(rows, evaluated(acquisition, rows)) if len(rows) else (rows, np.empty(0))
    half = POOL // 2
    parts = [space.sample(half, rng, uniform=True), space.sample(half, rng)]
    if len(front):
        share = front[rng.integers(len(front), size=MUTANTS // 3)]
        parts += [space.mutate(share, rng, changes=changes) for changes in (1, 2, 3)]
    pool = without(np.unique(np.concatenate(parts), axis=0), known)
    if not len(pool):
        return pool, np.empty(0)
    pool, scores = _sorted(pool, evaluated(acquisition, pool))
    for _ in range(ROUNDS):
        best = np.repeat(pool[:STARTS], CHILDREN // 2, axis=0)
        children = [space.mutate(best, rng, changes=changes) for changes in (1, 2)]
        children += [space.neighbours(code) for code in pool[:2]]
        fresh = without(np.unique(np.concatenate(children), axis=0), np.concatenate([known, pool]))
        if not len(fresh):
            break
        top = scores[0]
        pool, scores = _sorted(
            np.concatenate([pool, fresh]), np.concatenate([scores, evaluated(acquisition, fresh)])
        )
        if scores[0] <= top:
            break
    return pool, scores


def without(codes: Codes, known: Codes) -> Codes:
    """The rows of codes that are not among the known ones, in their order."""
    if not len(codes) or not len(known):
        return codes
    return codes[~np.isin(_keys(codes), _keys(known))]


def _keys(codes: Codes) -> npt.NDArray[np.void]:
    flat = np.ascontiguousarray(codes, dtype=np.int32)
    return flat.view(np.dtype((np.void, flat.dtype.itemsize * flat.shape[1]))).reshape(-1)


def evaluated(acquisition: AcquisitionFunction, codes: Codes) -> Floats:
    """The acquisition function at each of N configurations, length N."""
    if not len(codes):
        return np.empty(0)
    with torch.no_grad():
        parts = [acquisition(part[:, None]) for part in torch.split(as_inputs(codes), BLOCK)]
    values: Floats = torch.cat(parts).numpy()
    return values


def _sorted(codes: Codes, scores: Floats) -> tuple[Codes, Floats]:
    order = np.argsort(-scores, kind="stable")
    return codes[order], scores[order]
