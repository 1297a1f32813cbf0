"""The surrogate of a finished study, for what is told about it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tuner.search import Objective
from tuner.space import Space
from tuner.study import Record

if TYPE_CHECKING:
    from tuner.surrogates import Surrogate

FEWEST = 6
"""Measured configurations without which there is no model to ask."""


def fitted_surrogate(
    space: Space, objectives: Sequence[Objective], records: Sequence[Record]
) -> Surrogate | None:
    """A model of each objective, fitted to the complete trials; None where these are too few."""
    from tuner.surrogates.surrogate import Surrogate  # loads torch

    complete = [r for r in records if r.state == "complete"]
    by: dict[bytes, list[Record]] = {}
    rows = space.encode([r.configuration for r in complete]) if complete else np.empty((0, 0))
    for row, record in zip(rows, complete, strict=True):
        by.setdefault(row.tobytes(), []).append(record)
    if len(by) < FEWEST:
        return None
    codes = np.array([np.frombuffer(key, dtype=np.int32) for key in by])
    values = np.array([np.mean([r.values for r in group], axis=0) for group in by.values()])
    sems = np.array([_sems(group[0], objectives) for group in by.values()])
    return Surrogate.fit(space, codes, values, sems, objectives)


def _sems(record: Record, objectives: Sequence[Objective]) -> list[float]:
    """Standard errors of the objectives; NaN where unknown."""
    metrics = record.measurement.metrics if record.measurement else {}
    found = [metrics[o.metric].sem if o.metric in metrics else None for o in objectives]
    return [math.nan if sem is None else sem for sem in found]
