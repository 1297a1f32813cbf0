"""What a reader of measurements has to know before believing them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tuner.advice.paired import NOTICED, foreign_share
from tuner.measure import Measurement
from tuner.search import Objective

REDUNDANT_CORRELATION = 0.98
"""Rank correlation from which two objectives are nearly one."""


def estimated_energy(measurement: Measurement) -> list[str]:
    """That energy is estimated, and from what; nothing where a meter gave it."""
    energy = measurement.energy
    if energy is None or energy.energy_source != "estimated":
        return []
    parameters = ", ".join(f"{k} = {v:g}" for k, v in energy.parameters.items())
    return [
        f"Energy is estimated, not measured ({energy.energy_scope}; {parameters}): ratios between "
        "configurations mean more than the joules."
    ]


def foreign_load(measurements: Sequence[Measurement]) -> list[str]:
    """That other programs took a part of the machine while something was verified."""
    share = max((foreign_share(m) for m in measurements), default=0.0)
    if share < NOTICED:
        return []
    return [
        f"Other programs took up to {share:.0%} of the machine during the verification, which "
        "widens the intervals; for what is not resolved, run it when the machine is quiet, or give "
        "it more time."
    ]


def redundant_objectives(
    objectives: Sequence[Objective], values: npt.NDArray[np.float64]
) -> list[str]:
    """Pairs of objectives that rank what was measured (`n x m`) alike."""
    if len(values) < 8:
        return []
    return [
        f"{first.metric} and {second.metric} rank the configurations alike (rank correlation "
        f"{rho:.2f}): they are nearly one objective here."
        for i, first in enumerate(objectives)
        for j, second in enumerate(objectives[i + 1 :], i + 1)
        if abs(rho := _rank_correlation(values[:, i], values[:, j])) >= REDUNDANT_CORRELATION
    ]


def _rank_correlation(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> float:
    from scipy.stats import spearmanr

    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return float(spearmanr(a, b).statistic)
