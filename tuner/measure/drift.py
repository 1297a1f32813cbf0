"""Correcting for a machine whose speed drifts, by a reference that is measured now and then."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tuner.measure.measurement import Measurement, Metric
from tuner.measure.statistics import Z_95, Ratio


@dataclass(frozen=True)
class Reference:
    """The reference configuration, measured once more.

    Attributes:
        at_s: when, in the seconds of the study.
        measurement: what was found.

    """

    at_s: float
    measurement: Measurement


@dataclass(frozen=True)
class _Point:
    at_s: float
    log: float
    variance: float


def correction(references: Sequence[Reference], metric: str, at_s: float) -> Ratio | None:
    """How many times as large the metric came out at a time as at the first reference.

    Divide by it to take the drift out. Between two references it is interpolated in the logarithm.
    The interval has two parts: the noise of the references on either side, and how far the machine
    may have wandered between them, taken as a Brownian bridge whose rate is that of the changes
    seen from one reference to the next. Before the first and after the last reference it is that
    of the nearest, and wanders freely.

    Args:
        references: measurements of one configuration, in any order.
        metric: a positive one, with an interval in each reference that counts.
        at_s: the middle of what is to be corrected.

    Returns:
        the ratio with its 95 % interval; None with fewer than two references that have the metric.
    """
    points = _points(references, metric)
    if len(points) < 2:
        return None
    rate = _rate(points)
    right = bisect.bisect([point.at_s for point in points], at_s)
    if right in (0, len(points)):
        nearest = points[0 if right == 0 else -1]
        log = nearest.log
        variance = nearest.variance + rate * abs(at_s - nearest.at_s)
    else:
        before, after = points[right - 1], points[right]
        gap = after.at_s - before.at_s
        share = (at_s - before.at_s) / gap
        log = (1 - share) * before.log + share * after.log
        variance = (1 - share) ** 2 * before.variance + share**2 * after.variance
        variance += rate * gap * share * (1 - share)
    reach = Z_95 * math.sqrt(variance)
    log -= points[0].log  # what this one was wrong by is common to all, and cancels in ratios
    return Ratio(math.exp(log), math.exp(log - reach), math.exp(log + reach))


def corrected(metric: Metric, by: Ratio) -> Metric:
    """A metric with drift taken out; the uncertainty of the correction adds to its own."""
    relative = math.log(by.high / by.low) / (2 * Z_95)
    own = None if metric.sem is None else metric.sem / abs(metric.value or 1.0)
    sem = None if own is None else math.hypot(own, relative) * abs(metric.value) / by.value
    low = high = None
    if metric.low is not None and metric.high is not None:
        value = metric.value / by.value
        reach = Z_95 * relative * abs(value)
        low = value - math.hypot((metric.value - metric.low) / by.value, reach)
        high = value + math.hypot((metric.high - metric.value) / by.value, reach)
    return replace(
        metric,
        value=metric.value / by.value,
        sem=sem,
        low=low,
        high=high,
        repeats=tuple(value / by.value for value in metric.repeats),
    )


def _points(references: Sequence[Reference], name: str) -> list[_Point]:
    points: dict[float, _Point] = {}
    for reference in sorted(references, key=lambda reference: reference.at_s):
        metric = reference.measurement.metrics.get(name)
        if metric is not None and metric.value > 0:
            relative = (metric.sem or 0.0) / metric.value
            point = _Point(reference.at_s, math.log(metric.value), relative**2)
            points[reference.at_s] = point
    return list(points.values())


def _rate(points: Sequence[_Point]) -> float:
    """Variance of the wandering, per second: what changes show beyond the noise of references."""
    changes = list(itertools.pairwise(points))
    wandered = math.fsum((b.log - a.log) ** 2 - a.variance - b.variance for a, b in changes)
    return max(0.0, wandered / (points[-1].at_s - points[0].at_s))
