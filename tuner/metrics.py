"""The metrics that the tuner knows: unit, kind, direction and definition of each.

Names and definitions are those of `vllm bench serve` where it has one. How each is computed stands
in `tuner.measure.metric_values`. A metric of one's own says its kind itself (`Objective.parse`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["energy", "latency", "throughput", "accuracy", "memory", "other"]
"""What a metric is about: it decides which features matter to it and which role ranks by it."""

Direction = Literal["min", "max"]
"""Which way is better."""


@dataclass(frozen=True)
class MetricDefinition:
    """One metric.

    Attributes:
        name: as results and `--objective` call it.
        unit: SI symbol (`J`, `ms`, `tok/s`), or `1` for shares.
        kind: what it is about.
        direction: which way is better.
        definition: in a few words.
    """

    name: str
    unit: str
    kind: Kind
    direction: Direction
    definition: str


_TIMES = {
    "e2el": "from handing over a request to having its answer",
    "ttft": "to the first token of a request",
    "tpot": "between two tokens of a request, up to its own last one",
    "itl": "between two pieces of a streamed answer, over all answers",
}
_STATISTICS = {
    "mean": "mean",
    "median": "median",
    "p90": "90th percentile",
    "p99": "99th percentile",
}


def _definitions() -> Iterator[MetricDefinition]:
    define = MetricDefinition
    yield define("joules_per_request", "J", "energy", "min", "gross energy of a window per answer")
    yield define(
        "joules_per_output_token", "J/tok", "energy", "min", "gross energy per generated token"
    )
    yield define("energy_j", "J", "energy", "min", "gross energy of a window")
    yield define("energy_net_j", "J", "energy", "min", "energy less that of the idle machine")
    yield define("avg_power_w", "W", "energy", "min", "gross energy over the window's length")
    yield define(
        "cpu_seconds_per_request", "s", "other", "min", "CPU time of the engine's processes"
    )
    for kind, what in _TIMES.items():
        for name, statistic in _STATISTICS.items():
            yield define(f"{name}_{kind}_ms", "ms", "latency", "min", f"{what}: {statistic}")
    yield define("request_throughput", "req/s", "throughput", "max", "answers over the window")
    yield define("output_throughput", "tok/s", "throughput", "max", "generated tokens")
    yield define("total_token_throughput", "tok/s", "throughput", "max", "prompt tokens too")
    yield define(
        "request_goodput", "req/s", "throughput", "max", "answers that meet every request bound"
    )
    yield define("mean_output_tokens", "tok", "other", "min", "tokens of an answer")
    yield define("peak_memory_mb", "MB", "memory", "min", "of the GPU, or the resident set")
    yield define(
        "foreign_cpu_share", "1", "other", "min", "of the machine's processors, by other programs"
    )
    yield define(
        "held_up_share", "1", "other", "min", "of a window, lost to other programs at most"
    )
    yield define("accuracy", "1", "accuracy", "max", "mean score of the graded answers")


METRICS: Mapping[str, MetricDefinition] = {metric.name: metric for metric in _definitions()}
"""Every metric that a measurement can have, by name."""


def is_energy_unit(unit: str) -> bool:
    """Whether a unit is joules, a multiple of them, or joules per something (`J/tok`)."""
    return unit.partition("/")[0].endswith("J")
