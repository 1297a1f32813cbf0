"""How far a row of codes is from another one, and the valid row that is nearest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tuner.features import Decision
from tuner.space._elimination import Network
from tuner.space._layout import ordered, positions
from tuner.space.contract import Codes

Numbers = npt.NDArray[np.float64]

STEP, DEFAULT = 1e-3, 1e-3
"""What the length of a step, and a new value that is not the default, count beside a change."""

ENTRIES = 4_000_000
"""Entries of the largest table in one batch of `nearest_rows`."""


def nearest_rows(
    network: Network,
    costs: Sequence[Numbers],
    codes: Codes,
    forced: npt.NDArray[np.bool_] | None,
) -> tuple[npt.NDArray[np.int32], Numbers]:
    """The network's rows nearest to rows of codes, and their distances, by `wish_costs`."""
    batch = max(1, ENTRIES // network.largest)
    parts = [slice(k, k + batch) for k in range(0, max(len(codes), 1), batch)]
    results = [
        network.cheapest(
            [
                _wished(table, codes[part, i], None if forced is None else forced[part, i])
                for i, table in enumerate(costs)
            ]
        )
        for part in parts
    ]
    return np.concatenate([r for r, _ in results]), np.concatenate([c for _, c in results])


def wish_costs(decision: Decision) -> Numbers:
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
