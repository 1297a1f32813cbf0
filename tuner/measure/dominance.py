"""Whether a configuration that is being measured is already known to be dominated."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tuner.measure.measurement import Measurement, Metric
from tuner.measure.statistics import accuracy_difference

Dominated = Callable[[Measurement], str | None]
"""Is told what has been measured so far; says what dominates it, or None while nothing does."""


Contends = Callable[[Measurement], bool]
"""Is told what has been measured so far; says whether it may still be the best of all in
something."""


@dataclass(frozen=True)
class Limit:
    """What nobody would deploy: values of a metric beyond this one.

    Attributes:
        metric: its name.
        direction: which way is better.
        value: the worst value of interest, in the metric's unit.
    """

    metric: str
    direction: Literal["min", "max"]
    value: float

    def beyond(self, metric: Metric) -> bool:
        """Whether a metric lies beyond it with its whole interval."""
        low, high = metric.low, metric.high
        if low is None or high is None:
            low = high = metric.value
        return low > self.value if self.direction == "min" else high < self.value


@dataclass(frozen=True)
class EarlyEnd:
    """When a measurement need not go on.

    Attributes:
        dominated: says what is better for sure.
        contends: whether it may still be the best in something: then it gets more time.
        limits: values beyond which nobody is interested. A batch that has taken longer than a
            limit on `mean_e2el_ms` is ended in the middle.
    """

    dominated: Dominated = lambda measurement: None
    contends: Contends = lambda measurement: True
    limits: Sequence[Limit] = ()

    @property
    def longest_s(self) -> float | None:
        """The longest mean latency of interest, in seconds."""
        found = [x.value / 1e3 for x in self.limits if x.metric == "mean_e2el_ms"]
        return min(found, default=None)

    def why(self, measurement: Measurement) -> str | None:
        """Why what has been measured so far is enough; None where it is not."""
        for limit in self.limits:
            metric = measurement.metrics.get(limit.metric)
            if metric is not None and limit.beyond(metric):
                return f"{limit.metric} is beyond the limit of {limit.value:.4g} {metric.unit}"
        return self.dominated(measurement)


def dominated_by(
    rivals: Iterable[tuple[str, Measurement]],
    objectives: Mapping[str, Literal["min", "max"]],
    n_prompts: int,
) -> Dominated:
    """Whether one of the rivals is better for sure.

    It is better for sure where the 95 % intervals of the objectives do not even touch. Scores are
    compared prompt by prompt: the rival's mean is no lower on the prompts that both have answered,
    and where some prompts are still to come, by more than chance. More repeats would narrow times
    and energies, but answer the same prompts once more.

    Args:
        rivals: measurements to compare with, each with what to call it.
        objectives: metrics with their directions.
        n_prompts: of the whole work.
    """
    known = [(name, rival) for name, rival in rivals if set(objectives) <= set(rival.metrics)]

    def beats(rival: Measurement, mine: Measurement) -> bool:
        return all(
            _no_lower(rival.scores, mine.scores, n_prompts)
            if mine.metrics[metric].source == "graded"
            else _apart(rival.metrics[metric], mine.metrics[metric], direction)
            for metric, direction in objectives.items()
        )

    def dominated(mine: Measurement) -> str | None:
        if not set(objectives) <= set(mine.metrics):
            return None
        return next((f"dominated by {name}" for name, rival in known if beats(rival, mine)), None)

    return dominated


def _apart(rival: Metric, mine: Metric, direction: Literal["min", "max"]) -> bool:
    """Whether the rival's whole interval is on the better side of mine."""
    if rival.low is None or rival.high is None or mine.low is None or mine.high is None:
        return False
    return rival.high < mine.low if direction == "min" else rival.low > mine.high


def _no_lower(rival: tuple[float, ...], mine: tuple[float, ...], n_prompts: int) -> bool:
    both = min(len(rival), len(mine))
    if not both:
        return False
    difference, low, _ = accuracy_difference(rival[:both], mine[:both])
    return difference >= 0 if both == n_prompts else low > 0
