"""What a configuration would have shown on all prompts, judged from the first ones.

A slow configuration has no time for every prompt. All begin with the first prompt and go in the
same order, so that on those that it has answered it can be compared with the default, which has
answered all.
"""

from __future__ import annotations

import math
from dataclasses import replace

from tuner.measure import Measurement, Metric, accuracy_difference
from tuner.measure.statistics import Z_95
from tuner.measure.window import PER_REQUEST


def difficulty(default: Measurement | None, indices: list[int] | range) -> float:
    """How long the default takes for some prompts, relative to the mean of all; 1 where unknown."""
    seconds = default.prompt_seconds if default is not None else ()
    if not seconds or not indices or max(indices) >= len(seconds):
        return 1.0
    chosen = math.fsum(seconds[i] for i in indices) / len(indices)
    every = math.fsum(seconds) / len(seconds)
    return chosen / every if chosen > 0 and every > 0 else 1.0


def extrapolated(measurement: Measurement, default: Measurement, n_prompts: int) -> Measurement:
    """The measurement as it would be on all prompts, where the default has answered them.

    Times and energies of a request are divided by the difficulty of the prompts answered (the
    ratio estimator, Cochran 1977, chapter 6). The accuracy is the default's on all prompts plus the
    difference on those that both have answered.
    """
    n = len(measurement.prompt_seconds)
    if not 0 < n < n_prompts or len(default.prompt_seconds) < n_prompts:
        return measurement
    by = difficulty(default, range(n))
    metrics = dict(measurement.metrics)
    for name in PER_REQUEST:
        if name in metrics:
            metrics[name] = _divided(metrics[name], by)
    if len(measurement.scores) == n and len(default.scores) == n_prompts:
        metrics["accuracy"] = _accuracy(measurement, default)
    note = f"answered the first {n} of {n_prompts} prompts; judged by the default's on the others"
    return replace(measurement, metrics=metrics, notes=(*measurement.notes, note))


def _divided(metric: Metric, by: float) -> Metric:
    def scaled(value: float | None) -> float | None:
        return None if value is None else value / by

    return replace(
        metric,
        value=metric.value / by,
        low=scaled(metric.low),
        high=scaled(metric.high),
        sem=scaled(metric.sem),
        repeats=tuple(value / by for value in metric.repeats),
    )


def _accuracy(measurement: Measurement, default: Measurement) -> Metric:
    n = len(measurement.scores)
    known = default.metrics["accuracy"]
    difference, low, high = accuracy_difference(measurement.scores, default.scores[:n])
    value = min(1.0, max(0.0, known.value + difference))
    return replace(
        measurement.metrics["accuracy"],
        value=value,
        low=max(0.0, known.value + low),
        high=min(1.0, known.value + high),
        sem=(high - low) / (2 * Z_95),
        n=n,
    )
