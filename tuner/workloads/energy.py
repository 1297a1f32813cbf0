"""The energy of a whole workload, put together from one measured batch of each bin.

The sum of Fernandez et al. (2025, arXiv 2504.17674): over bins, batches in the bin times the
energy of one of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from tuner.workloads.bins import Bin, Corner


class Measured(Protocol):
    """The energy of one batch, in joules, as `tuner.measure.Metric` tells it."""

    @property
    def value(self) -> float:
        """The mean over repeats."""

    @property
    def sem(self) -> float | None:
        """Its standard error; None where one repeat gives none."""

    @property
    def n(self) -> int:
        """Number of repeats."""

    @property
    def source(self) -> str:
        """Where it comes from: a meter, or `estimated`."""


@dataclass(frozen=True)
class WorkloadEnergy:
    """Energy of a workload, with its 95 % interval.

    Attributes:
        joules: the estimate.
        sem: its standard error; None where a bin has none.
        low: lower end of the interval; None likewise.
        high: upper end of it.
        requests: how many requests take it.
        batches: how many batches they are; a fraction where batches are shared.
        source: where the joules come from.
        parts: joules of each bin.

    """

    joules: float
    sem: float | None
    low: float | None
    high: float | None
    requests: int
    batches: float
    source: str
    parts: Mapping[Corner, float]

    @property
    def joules_per_request(self) -> float:
        """Mean over the requests."""
        return self.joules / self.requests


def workload_energy(
    found: Sequence[Bin],
    measured: Mapping[Corner, Measured],
    batch: int,
    *,
    partly: Literal["share", "whole"] = "share",
) -> WorkloadEnergy:
    """Add up the energy of a workload from its bins.

    The bins' measurements are independent, so their variances add up, each times its number of
    batches squared. The interval is Student's with the degrees of freedom of Welch and
    Satterthwaite (1946). It covers what differed between repeats: the noise of measuring, and
    which requests of a bin were measured where each repeat drew some (`drawn_requests`). It covers
    neither a drift that all bins share, nor that a bin's requests are shorter than its bound.

    Args:
        found: the bins.
        measured: energy of one full batch of each bin, in joules.
        batch: requests in a batch.
        partly: what the last batch of a bin takes where too few requests are left to fill it:
            their share of a full one, as in the paper (a server that fills up with other
            requests), or as much as a full one (static batches: the upper bound).

    Raises:
        ValueError: a bin was not measured, or measured and estimated energies are mixed.
    """
    missing = [one.corner for one in found if one.corner not in measured]
    if missing or not found:
        raise ValueError(f"no energy of these bins: {missing}" if missing else "no bins")
    sources = {measured[one.corner].source for one in found}
    if len(sources) > 1:
        raise ValueError(f"energies of different sources cannot be added: {sorted(sources)}")
    counts = {
        one.corner: one.n / batch if partly == "share" else float(math.ceil(one.n / batch))
        for one in found
    }
    parts = {corner: times * measured[corner].value for corner, times in counts.items()}
    joules = math.fsum(parts.values())
    sem, reach = _spread([(times, measured[corner]) for corner, times in counts.items()])
    return WorkloadEnergy(
        joules=joules,
        sem=sem,
        low=None if reach is None else joules - reach,
        high=None if reach is None else joules + reach,
        requests=sum(one.n for one in found),
        batches=math.fsum(counts.values()),
        source=sources.pop(),
        parts=parts,
    )


def _spread(terms: Sequence[tuple[float, Measured]]) -> tuple[float | None, float | None]:
    """Standard error of the sum of times x energy, and half its 95 % interval."""
    variances: list[tuple[float, int]] = []
    for times, energy in terms:
        if energy.sem is None or energy.n < 2:
            return None, None
        variances.append(((times * energy.sem) ** 2, energy.n - 1))
    variance = math.fsum(v for v, _ in variances)
    if variance == 0:
        return 0.0, 0.0
    from scipy.special import stdtrit

    degrees = variance**2 / math.fsum(v**2 / d for v, d in variances)
    sem = math.sqrt(variance)
    return sem, float(stdtrit(degrees, 0.975)) * sem
