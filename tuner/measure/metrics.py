"""Definitions of the metrics: from passes over the prompts to values with units and intervals.

Names and definitions are those of `vllm bench serve` where it has one, with two exceptions that
static batches need. `tpot` is counted up to a request's own last token, not up to the end of its
batch. And a percentile is taken within each pass and averaged over the passes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tuner.measure.engine import Completion
from tuner.measure.measurement import Metric
from tuner.measure.meters import Reading
from tuner.measure.statistics import estimate_mean, estimate_share


@dataclass(frozen=True)
class Pass:
    """One pass over prompts of a task.

    Attributes:
        indices: which prompts of the task, in the order in which they were answered.
        completions: of these prompts.
        scores: of the completions, in [0, 1]; None where nobody knows the right answers.
        reading: what the meter said.
        cpu_s: CPU time of the engine's processes, in seconds.
        peak_memory_bytes: of the engine; None where unknown.

    """

    indices: tuple[int, ...]
    completions: tuple[Completion, ...]
    scores: tuple[float, ...] | None
    reading: Reading
    cpu_s: float
    peak_memory_bytes: int | None


def joined(one: Pass, other: Pass) -> Pass:
    """Two parts of a pass as one."""
    return Pass(
        indices=one.indices + other.indices,
        completions=one.completions + other.completions,
        scores=None if one.scores is None or other.scores is None else one.scores + other.scores,
        reading=_joined_readings(one.reading, other.reading),
        cpu_s=one.cpu_s + other.cpu_s,
        peak_memory_bytes=(
            None
            if one.peak_memory_bytes is None or other.peak_memory_bytes is None
            else max(one.peak_memory_bytes, other.peak_memory_bytes)
        ),
    )


def _joined_readings(one: Reading, other: Reading) -> Reading:
    seconds = one.seconds + other.seconds
    problems = tuple(dict.fromkeys((*one.problems, *other.problems)))
    details = {
        name: max(r.details[name] for r in (one, other) if name in r.details)
        for name in {**one.details, **other.details}
    }
    if one.joules is None or other.joules is None:
        return Reading(seconds, None, 0.0, problems, details)
    joules = one.joules + other.joules
    wrong_by = one.quantisation_rel * one.joules + other.quantisation_rel * other.joules
    return Reading(seconds, joules, wrong_by / joules, problems, details)


def metrics_of(
    passes: Sequence[Pass], energy_source: str, idle_watts: float | None
) -> dict[str, Metric]:
    """Every metric that the passes give; one that is missing in all of them is left out.

    Args:
        passes: one for each repeat, of equal numbers of prompts.
        energy_source: what `Metric.source` says of energies.
        idle_watts: of the idle machine with the model loaded; None where not metered.
    """
    metrics = {}
    for name, (unit, value_of) in _PER_PASS.items():
        values = [v for v in (value_of(one) for one in passes) if v is not None]
        if values:
            metrics[name] = _metric(values, unit, energy_source if "J" in unit else "clock")
    if idle_watts is not None:
        net = [
            one.reading.joules - idle_watts * one.reading.seconds
            for one in passes
            if one.reading.joules is not None
        ]
        if net:
            metrics["energy_net_j"] = _metric(net, "J", energy_source, floor=-math.inf)
    if "avg_power_w" in metrics:
        power = metrics["avg_power_w"]
        metrics["avg_power_w"] = _metric(power.repeats, power.unit, energy_source)
    if scores := prompt_scores(passes):
        metrics["accuracy"] = _accuracy(passes, scores)
    return metrics


def prompt_scores(passes: Sequence[Pass]) -> tuple[float, ...]:
    """For each graded prompt that was answered its mean score, in the task's order."""
    scores: dict[int, list[float]] = {}
    for one in passes:
        for index, score in zip(one.indices, one.scores or (), strict=one.scores is not None):
            scores.setdefault(index, []).append(score)
    return tuple(_mean(scores[index]) for index in sorted(scores))


def percentile(values: Sequence[float], q: float) -> float:
    """The q-th percentile, linear between order statistics (as numpy's default)."""
    ordered = sorted(values)
    position = (len(ordered) - 1) * q / 100
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def _metric(values: Sequence[float], unit: str, source: str, floor: float = 0.0) -> Metric:
    estimate = estimate_mean(values)
    return Metric(
        value=estimate.value,
        unit=unit,
        low=None if estimate.low is None else max(floor, estimate.low),
        high=estimate.high,
        sem=estimate.sem,
        n=len(values),
        source=source,
        repeats=tuple(values),
    )


def _accuracy(passes: Sequence[Pass], scores: Sequence[float]) -> Metric:
    estimate = estimate_share(scores)
    return Metric(
        value=estimate.value,
        unit="1",
        low=estimate.low,
        high=estimate.high,
        sem=estimate.sem,
        n=len(scores),
        source="graded",
        repeats=tuple(math.fsum(p.scores) / len(p.scores) for p in passes if p.scores),
    )


_Value = Callable[[Pass], float | None]


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _latencies(one: Pass) -> list[float]:
    return [c.latency_s * 1e3 for c in one.completions]


def _first_tokens(one: Pass) -> list[float]:
    return [c.ttft_s * 1e3 for c in one.completions if c.ttft_s is not None]


def _token_times(one: Pass) -> list[float]:
    return [
        (c.last_token_s - c.ttft_s) / (c.n_output_tokens - 1) * 1e3
        for c in one.completions
        if c.ttft_s is not None and c.last_token_s is not None and c.n_output_tokens > 1
    ]


def _tokens(one: Pass) -> int:
    return sum(c.n_output_tokens for c in one.completions)


def _joules(one: Pass) -> float | None:
    return one.reading.joules


def _joules_per(count: Callable[[Pass], int]) -> _Value:
    def value(one: Pass) -> float | None:
        joules, n = one.reading.joules, count(one)
        return None if joules is None or not n else joules / n

    return value


def _watts(one: Pass) -> float | None:
    joules = one.reading.joules
    return None if joules is None else joules / one.reading.seconds


def _megabytes(one: Pass) -> float | None:
    return None if one.peak_memory_bytes is None else one.peak_memory_bytes / 1e6


def _times(kind: str, times_of: Callable[[Pass], list[float]]) -> dict[str, tuple[str, _Value]]:
    """The mean and percentiles of one kind of time."""
    statistics: dict[str, Callable[[Sequence[float]], float]] = {
        "mean": _mean,
        "median": lambda values: percentile(values, 50),
        "p90": lambda values: percentile(values, 90),
        "p99": lambda values: percentile(values, 99),
    }

    def value_of(statistic: Callable[[Sequence[float]], float]) -> _Value:
        def value(one: Pass) -> float | None:
            times = times_of(one)
            return statistic(times) if times else None

        return value

    return {f"{name}_{kind}_ms": ("ms", value_of(s)) for name, s in statistics.items()}


_PER_PASS: dict[str, tuple[str, _Value]] = {
    "joules_per_request": ("J", _joules_per(lambda one: len(one.completions))),
    "joules_per_output_token": ("J/tok", _joules_per(_tokens)),
    "energy_j": ("J", _joules),
    "avg_power_w": ("W", _watts),
    "cpu_seconds_per_request": ("s", lambda one: one.cpu_s / len(one.completions)),
    **_times("e2el", _latencies),
    **_times("ttft", _first_tokens),
    **_times("tpot", _token_times),
    "request_throughput": ("req/s", lambda one: len(one.completions) / one.reading.seconds),
    "output_throughput": ("tok/s", lambda one: _tokens(one) / one.reading.seconds),
    "mean_output_tokens": ("tok", lambda one: _tokens(one) / len(one.completions)),
    "peak_memory_mb": ("MB", _megabytes),
}

METRICS = (*_PER_PASS, "energy_net_j", "accuracy")
"""The names of all metrics that a measurement can have."""
