"""What there is to know of a trace at a glance: percentiles, rates, bins."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from tuner.workloads.bins import Bin, Grid, bins
from tuner.workloads.trace import Trace

_ROUND_TIMES = (
    *(step * 10.0**decade for decade in (-3, -2, -1) for step in (1, 2, 5)),
    *(1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800),
)


@dataclass(frozen=True)
class Lengths:
    """Percentiles and sum of token lengths."""

    median: float
    p90: float
    p99: float
    longest: int
    total: int


@dataclass(frozen=True)
class Summary:
    """A trace at a glance.

    Attributes:
        name: of the trace.
        requests: how many.
        duration_s: from first arrival to last, in seconds; None in a closed loop.
        rate: mean arrivals in a second; None likewise.
        slot_s: length of the stretches of time that `slots` counts, in seconds.
        slots: arrivals a second in each of them; empty in a closed loop.
        input: lengths of the prompts.
        output: lengths of the answers.
        clamped: requests that are longer than the longest bin.
        grid: what they are binned by.
        bins: those that hold requests.

    """

    name: str
    requests: int
    duration_s: float | None
    rate: float | None
    slot_s: float
    slots: tuple[float, ...]
    input: Lengths
    output: Lengths
    clamped: int
    grid: Grid
    bins: tuple[Bin, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self)

    def input_shares(self) -> list[float]:
        """Share of the requests in each column of the grid."""
        return [
            math.fsum(b.share for b in self.bins if b.input_tokens == bound)
            for bound in self.grid.inputs
        ]

    def output_shares(self) -> list[float]:
        """Share of the requests in each row of the grid."""
        return [
            math.fsum(b.share for b in self.bins if b.output_tokens == bound)
            for bound in self.grid.outputs
        ]


def summarise(trace: Trace, grid: Grid | None = None, most_slots: int = 60) -> Summary:
    """Look at a trace; at most `most_slots` stretches of time, of a round length."""
    grid = grid or Grid()
    found = bins(trace, grid)
    slot_s, slots = _slots(trace, most_slots)
    return Summary(
        name=trace.name,
        requests=len(trace),
        duration_s=trace.duration_s,
        rate=trace.rate,
        slot_s=slot_s,
        slots=slots,
        input=_lengths(trace.input_tokens),
        output=_lengths(trace.output_tokens),
        clamped=sum(b.clamped for b in found),
        grid=grid,
        bins=found,
    )


def _lengths(values: tuple[int, ...]) -> Lengths:
    import numpy as np

    median, p90, p99 = np.quantile(values, (0.5, 0.9, 0.99)).tolist()
    return Lengths(median, p90, p99, max(values), sum(values))


def _slots(trace: Trace, most: int) -> tuple[float, tuple[float, ...]]:
    if trace.arrival_s is None or not trace.duration_s:
        return 0.0, ()
    slot = _round_time(trace.duration_s / most)
    counts = [0] * (math.floor(trace.duration_s / slot) + 1)
    for arrival in trace.arrival_s:
        counts[math.floor((arrival - trace.arrival_s[0]) / slot)] += 1
    lengths = [slot] * (len(counts) - 1) + [trace.duration_s - slot * (len(counts) - 1)]
    if lengths[-1] < slot / 2:  # a rate over a moment says nothing
        counts, lengths = counts[:-1], lengths[:-1]
    return slot, tuple(count / length for count, length in zip(counts, lengths, strict=True))


def _round_time(least: float) -> float:
    """A round length of time that is not below `least`, in seconds."""
    return next((time for time in _ROUND_TIMES if time >= least), 3600 * math.ceil(least / 3600))
