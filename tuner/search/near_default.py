"""First measurements near a default that is known to be sensible.

The default is what an engine's makers found to work, and most of a space is far worse. So each of
the first configurations changes a few of its decisions; together they cover as many decisions and
values as their number allows. What is expected to be good and quick comes first.

Notation: N candidates, p parameters, m objectives.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from tuner.search.acquisition import ehvi
from tuner.search.cost import expected_seconds
from tuner.search.pareto import free_boxes, hypervolume, minimal
from tuner.space import Knowledge
from tuner.space.contract import INACTIVE, Codes, Space
from tuner.surrogates import Objective

Floats = npt.NDArray[np.float64]

CHANGES = 3
"""Decisions in which a first configuration differs from the default, at most."""
POOL = 1_200
"""Changed defaults among which the design is chosen."""
COST_SPAN = math.log(10.0)
"""Ten times the default's energy or latency is where gains end to count."""
ACCURACY_SPAN = 0.2
"""So much less accuracy than the default's is, too."""
BEST = 20
"""Of the candidates those that are changed once more, for being expected to be best."""
NOVELTY = 0.5
"""Weight of three changes that were not seen yet, against an enlarged front."""
MIXED = 0.2
"""Standard deviation of the logarithm of a factor by which seeds value candidates differently: what
is about as good comes in another order."""
SURE = 1e-3
"""Standard deviation of what is expected: as good as none."""


def near_default_design(
    space: Space,
    objectives: Sequence[Objective],
    size: int,
    rng: np.random.Generator,
    *,
    cost_aware: bool = False,
) -> Codes:
    """The default, and one by one what is worth most. Shape `size x p`.

    A candidate is worth the share by which it is expected to enlarge the front of what was chosen
    before, and how new its changes are: each counts the less, the more often its value was seen
    before and, of a number, the more often it was changed. Where costs count, it is worth per
    expected second.
    """
    default = space.encode([space.default])
    pool = _pool(space, objectives, default, rng)
    changed = changes(pool, default)
    expected = _expected(space, objectives, pool)
    weight = np.exp(MIXED * rng.normal(size=len(pool)))
    if cost_aware:
        weight /= expected_seconds(space, pool)
    seen = [np.zeros(len(parameter.values) + 1) for parameter in space.parameters]
    times_changed = np.zeros(pool.shape[1])
    is_number = np.array([parameter.kind == "ordered" for parameter in space.parameters])
    chosen = [0]
    while len(chosen) < min(size, len(pool)):
        last = chosen[-1]
        times_changed += changed[last] & is_number
        for j, counts in enumerate(seen):
            counts[pool[last, j]] += 1  # the last one counts what is inactive
        rarity = np.stack([1 / (1 + counts[pool[:, j]]) for j, counts in enumerate(seen)], 1)
        novelty = NOVELTY * (changed * rarity / (1 + times_changed)).sum(1) / CHANGES
        worth = (_gained_share(expected, chosen) + novelty) * weight
        worth[chosen] = -np.inf
        chosen.append(int(worth.argmax()))
    return pool[chosen]


def changes(codes: Codes, default: Codes) -> npt.NDArray[np.bool_]:
    """Where rows `N x p` decide otherwise than the default, `N x p`.

    What a change switches on or off comes with it and is none of its own.
    """
    return np.asarray((codes != default) & (default != INACTIVE) & (codes != INACTIVE))


def _pool(
    space: Space, objectives: Sequence[Objective], default: Codes, rng: np.random.Generator
) -> Codes:
    """The default and different rows with few changes, in random order, `N x p`.

    Random changes, and changes of what is expected to be best of these.
    """
    start = np.repeat(default, POOL // CHANGES, axis=0)
    pool = np.concatenate([space.mutate(start, rng, changes=k + 1) for k in range(CHANGES)])
    pool = _near(pool, default)
    for _ in range(CHANGES - 1):
        if not len(pool):
            break
        gain = _gained_share(_expected(space, objectives, np.concatenate([default, pool])), [0])
        best = pool[np.argsort(-gain[1:], kind="stable")[:BEST]]
        children = space.mutate(np.repeat(best, POOL // CHANGES // BEST, axis=0), rng)
        pool = _near(np.concatenate([pool, children]), default)
    return np.concatenate([default, rng.permutation(pool)])


def _near(codes: Codes, default: Codes) -> Codes:
    """Different rows other than the default, those with few changes where there are any."""
    codes = np.unique(codes, axis=0)
    codes = codes[(codes != default).any(1)]
    few = changes(codes, default).sum(1) <= CHANGES
    return codes[few] if few.any() else codes


def _expected(space: Space, objectives: Sequence[Objective], codes: Codes) -> Floats:
    """What is expected of configurations, minimised, in shares of where gains end, `N x m`.

    The default is at 0, and gains end at 1.
    """
    columns = []
    for objective in objectives:
        span = ACCURACY_SPAN if objective.kind == "accuracy" else COST_SPAN
        sign = 1.0 if objective.direction == "min" else -1.0
        columns.append(sign * Knowledge.of(space, objective.kind).total(codes) / span)
    return np.stack(columns, 1) if columns else np.zeros((len(codes), 1))


def _gained_share(expected: Floats, chosen: Sequence[int]) -> Floats:
    """By what share each candidate enlarges the hypervolume of those chosen, length N."""
    reference = np.ones(expected.shape[1])
    front = expected[chosen]
    front = front[minimal(front)]
    mean = torch.from_numpy(expected)
    gain = ehvi(mean, torch.full_like(mean, SURE), free_boxes(front, reference))
    share: Floats = gain.numpy() / hypervolume(front, reference)
    return share
