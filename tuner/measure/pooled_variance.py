"""How noisy repeats are, judged from all configurations together."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace

from tuner.measure.measurement import Metric
from tuner.measure.statistics import student

_OWN_NOISE = 3
"""From so many repeats on, a configuration's own spread says how noisy it is."""

_LEAST_DEGREES = 4


class PooledVariance:
    """The relative spread of repeats, pooled over all configurations measured so far.

    Kept for each metric as the variance of the logarithms of a configuration's repeats about their
    mean. It takes for granted that configurations are about equally noisy, in proportion.
    """

    def __init__(self) -> None:
        self._squares: defaultdict[str, float] = defaultdict(float)
        self._degrees: defaultdict[str, int] = defaultdict(int)

    def learn(self, metrics: Mapping[str, Metric]) -> None:
        """Take the repeats of one configuration into account."""
        for name, metric in metrics.items():
            if _repeats_vary(metric) and len(metric.repeats) > 1 and min(metric.repeats) > 0:
                logs = [math.log(value) for value in metric.repeats]
                mean = math.fsum(logs) / len(logs)
                self._squares[name] += math.fsum((log - mean) ** 2 for log in logs)
                self._degrees[name] += len(logs) - 1

    def filled(self, metrics: Mapping[str, Metric]) -> dict[str, Metric]:
        """The metrics with the pooled noise where there are too few repeats to tell by themselves.

        Standard error and interval of one or two repeats are then those of a repeat of any
        configuration; what nobody has repeated yet stays without.
        """
        return {name: self._filled(name, metric) for name, metric in metrics.items()}

    def _filled(self, name: str, metric: Metric) -> Metric:
        degrees = self._degrees[name]
        n = len(metric.repeats)
        few = _repeats_vary(metric) and 0 < n < _OWN_NOISE
        if not few or degrees < _LEAST_DEGREES or metric.value <= 0:
            return metric
        relative = math.sqrt(self._squares[name] / degrees / n)
        reach = math.exp(student(degrees) * relative)
        return replace(
            metric,
            sem=metric.value * relative,
            low=metric.value / reach,
            high=metric.value * reach,
        )


def _repeats_vary(metric: Metric) -> bool:
    """Whether its noise is between repeats; that of graded answers is between prompts."""
    return metric.source != "graded"
