"""Whether a configuration that is being measured is already known to be dominated."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Literal

from tuner.measure.measurement import Measurement, Metric
from tuner.measure.statistics import accuracy_difference

Dominated = Callable[[Measurement], str | None]
"""Is told what has been measured so far; says what dominates it, or None while nothing does."""


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
