"""Definitions of the metrics: from passes over the requests to values with units and intervals.

Names and definitions are those of `vllm bench serve` where it has one, with three exceptions.
`tpot` is counted up to a request's own last token, not up to the end of its static batch. A
percentile is taken within each pass and averaged over the passes. And the times of a closed loop
leave out its ramp-up and drain (`Pass.steady`), while throughputs, goodput and energy are of the
whole window.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence

from tuner.measure.engine_protocol import Completion
from tuner.measure.measurement import Metric
from tuner.measure.passes import Pass
from tuner.measure.statistics import estimate_mean, estimate_share
from tuner.metrics import METRICS


def metrics_of(
    passes: Sequence[Pass],
    energy_source: str,
    idle_watts: float | None,
    goodput: Mapping[str, float] | None = None,
    known_scores: Mapping[int, float] | None = None,
) -> dict[str, Metric]:
    """Every metric that the passes give; one that is missing in all of them is left out.

    Args:
        passes: one for each repeat, of equal numbers of prompts.
        energy_source: what `Metric.source` says of energies.
        idle_watts: of the idle machine with the model loaded; None where not metered.
        goodput: levels in milliseconds that good requests meet; none without them.
        known_scores: of requests that were not answered here, by index.
    """
    metrics = {}
    per_pass = dict(_PER_PASS)
    if goodput:
        per_pass["request_goodput"] = _goodput(goodput)
    for name, value_of in per_pass.items():
        values = [v for v in (value_of(one) for one in passes) if v is not None]
        if values:
            metered = METRICS[name].kind == "energy"
            source = energy_source if metered else "clock"
            metrics[name] = _metric(values, METRICS[name].unit, source)
    if idle_watts is not None:
        net = [
            one.reading.joules - idle_watts * one.reading.seconds
            for one in passes
            if one.reading.joules is not None
        ]
        if net:
            metrics["energy_net_j"] = _metric(net, "J", energy_source, floor=-math.inf)
    if scores := prompt_scores(passes, known_scores):
        metrics["accuracy"] = _accuracy(passes, scores)
    return metrics


def narrow_enough(passes: Sequence[Pass], interval_rel: float) -> bool:
    """Whether the intervals of energy and mean latency are narrow enough."""
    metrics = metrics_of(passes, "", None)
    watched = [metrics[m] for m in ("joules_per_request", "mean_e2el_ms") if m in metrics]
    return all(
        metric.high is not None and metric.high - metric.value <= interval_rel * metric.value
        for metric in watched
    )


def prompt_scores(
    passes: Sequence[Pass], known: Mapping[int, float] | None = None
) -> tuple[float, ...]:
    """For each graded prompt its mean score, in the task's order; `known` adds other prompts."""
    scores: dict[int, list[float]] = {index: [score] for index, score in (known or {}).items()}
    for one in passes:
        for index, score in zip(one.indices, one.scores or (), strict=one.scores is not None):
            scores.setdefault(index, []).append(score)
    return tuple(_mean(scores[index]) for index in sorted(scores))


def prompt_seconds(passes: Sequence[Pass]) -> tuple[float, ...]:
    """Mean latency of each prompt in seconds, as far as the first ones were all answered."""
    latencies: dict[int, list[float]] = {}
    for one in passes:
        for index, completion in zip(one.indices, one.completions, strict=True):
            latencies.setdefault(index, []).append(completion.latency_s)
    answered = itertools.takewhile(latencies.__contains__, itertools.count())
    return tuple(_mean(latencies[index]) for index in answered)


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


def _percentile(values: Sequence[float], q: float) -> float:
    import numpy as np  # here, so that the watchdog of the GPUs starts without it

    return float(np.percentile(values, q))


_Value = Callable[[Pass], float | None]


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _latency(c: Completion) -> float | None:
    return c.latency_s * 1e3


def _first_token(c: Completion) -> float | None:
    return None if c.ttft_s is None else c.ttft_s * 1e3


def _token_time(c: Completion) -> float | None:
    if c.ttft_s is None or c.last_token_s is None or c.n_output_tokens < 2:
        return None
    return (c.last_token_s - c.ttft_s) / (c.n_output_tokens - 1) * 1e3


_TimeOf = Callable[[Completion], float | None]
_TIMES: dict[str, _TimeOf] = {"e2el": _latency, "ttft": _first_token, "tpot": _token_time}


def _each(time_of: _TimeOf) -> Callable[[Pass], list[float]]:
    return lambda one: [t for t in map(time_of, one.steady) if t is not None]


def _gaps(one: Pass) -> list[float]:
    return [gap * 1e3 for completion in one.steady for gap in completion.gaps_s]


def _goodput(levels: Mapping[str, float]) -> _Value:
    """Requests a second that meet every level; as in vLLM, one token alone has a `tpot` of 0."""

    def good(c: Completion) -> bool | None:
        times = {kind: _TIMES[kind](c) for kind in levels}
        if "tpot" in times and c.n_output_tokens < 2:
            times["tpot"] = 0.0
        known = [(t, levels[kind]) for kind, t in times.items() if t is not None]
        return None if len(known) < len(times) else all(t <= most for t, most in known)

    def value(one: Pass) -> float | None:
        met = [good(c) for c in one.completions]
        known = [m for m in met if m is not None]
        return sum(known) / one.reading.seconds if len(known) == len(met) else None

    return value


def _tokens(one: Pass) -> int:
    return sum(c.n_output_tokens for c in one.completions)


def _all_tokens(one: Pass) -> int:
    return _tokens(one) + sum(c.n_prompt_tokens for c in one.completions)


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


def _cpu_seconds(one: Pass) -> float | None:
    """Missing where the processes cannot be seen, as those of a server on another machine."""
    return one.cpu_s / len(one.completions) if one.cpu_s > 0 else None


def _megabytes(one: Pass) -> float | None:
    return None if one.peak_memory_bytes is None else one.peak_memory_bytes / 1e6


def _times(kind: str, times_of: Callable[[Pass], list[float]]) -> dict[str, _Value]:
    """The mean and percentiles of one kind of time."""
    statistics: dict[str, Callable[[Sequence[float]], float]] = {
        "mean": _mean,
        "median": lambda values: _percentile(values, 50),
        "p90": lambda values: _percentile(values, 90),
        "p99": lambda values: _percentile(values, 99),
    }

    def value_of(statistic: Callable[[Sequence[float]], float]) -> _Value:
        def value(one: Pass) -> float | None:
            times = times_of(one)
            return statistic(times) if times else None

        return value

    return {f"{name}_{kind}_ms": value_of(s) for name, s in statistics.items()}


_PER_PASS: dict[str, _Value] = {
    "joules_per_request": _joules_per(lambda one: len(one.completions)),
    "joules_per_output_token": _joules_per(_tokens),
    "energy_j": _joules,
    "avg_power_w": _watts,
    "cpu_seconds_per_request": _cpu_seconds,
    **_times("e2el", _each(_latency)),
    **_times("ttft", _each(_first_token)),
    **_times("tpot", _each(_token_time)),
    **_times("itl", _gaps),
    "request_throughput": lambda one: len(one.completions) / one.reading.seconds,
    "output_throughput": lambda one: _tokens(one) / one.reading.seconds,
    "total_token_throughput": lambda one: _all_tokens(one) / one.reading.seconds,
    "mean_output_tokens": lambda one: _tokens(one) / len(one.completions),
    "peak_memory_mb": _megabytes,
    "foreign_cpu_share": lambda one: one.foreign.share if one.foreign else None,
    "held_up_share": lambda one: one.foreign.held_up if one.foreign else None,
}
