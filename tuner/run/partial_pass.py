"""What a configuration would have shown on all prompts, judged from the first ones.

A slow configuration, or a slow default, has no time for every prompt. All begin with the first
prompt and go in the same order, so that they can be compared on those that both have answered.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
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


def extrapolated(
    measurement: Measurement,
    default: Measurement,
    n_prompts: int,
    default_scores: Sequence[float] = (),
) -> Measurement:
    """The measurement as it would be on all prompts, where it or the default has not answered all.

    Times and energies of a request are divided by the difficulty of the prompts answered (the
    ratio estimator, Cochran 1977, chapter 6). The accuracy is the default's and the difference on
    the prompts that both have answered: where a slow default has answered the first four and all
    of them right, a configuration that answers forty is not worse for getting some wrong.

    Args:
        measurement: of a configuration.
        default: of the default, in the same study.
        n_prompts: of the work.
        default_scores: of the default's answers, where more are known than it has given itself.
    """
    scores = max(tuple(default_scores), default.scores, key=len)
    n = len(measurement.prompt_seconds)
    metrics, notes = dict(measurement.metrics), list(measurement.notes)
    if 0 < n < n_prompts <= len(default.prompt_seconds):
        by = difficulty(default, range(n))
        for name in PER_REQUEST:
            if name in metrics:
                metrics[name] = _divided(metrics[name], by)
        notes.append(
            f"answered the first {n} of {n_prompts} prompts; the others are judged by them"
        )
    shared = min(len(measurement.scores), len(scores))
    both_full = n_prompts == len(measurement.scores) == len(default.scores)
    if shared and not both_full and "accuracy" in metrics and "accuracy" in default.metrics:
        metrics["accuracy"] = _accuracy(
            metrics["accuracy"],
            default.metrics["accuracy"],
            measurement.scores[:shared],
            scores[:shared],
        )
    return replace(measurement, metrics=metrics, notes=tuple(notes))


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


def _accuracy(
    mine: Metric, default: Metric, scores: Sequence[float], default_scores: Sequence[float]
) -> Metric:
    difference, low, high = accuracy_difference(scores, default_scores)
    return replace(
        mine,
        value=min(1.0, max(0.0, default.value + difference)),
        low=min(1.0, max(0.0, default.value + low)),
        high=min(1.0, max(0.0, default.value + high)),
        sem=(high - low) / (2 * Z_95),
        n=len(scores),
    )
