"""Means, ratios and shares with their 95 % intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuner.measure.measurement import Metric

Z_95 = 1.959963984540054
"""Half the width of a 95 % interval of the normal distribution, in standard deviations."""

TRIMMED = 0.2
"""The share of repeats that a trimmed mean cuts off at either end."""
LEAST_TRIMMED = 6
"""Fewer repeats are not trimmed."""
MOST_HELD_UP = 0.9
"""Where a window may have been held up for a larger share, it says nothing of a quiet machine."""


@dataclass(frozen=True)
class Estimate:
    """A mean with its standard error and 95 % interval; None where one value gives none."""

    value: float
    sem: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Ratio:
    """How many times as large one quantity is as another, with the 95 % interval."""

    value: float
    low: float
    high: float


def estimate_mean(values: Sequence[float]) -> Estimate:
    """Mean of independent repeats, with Student's interval."""
    n = len(values)
    mean = math.fsum(values) / n
    if n == 1:
        return Estimate(mean, None, None, None)
    sem = math.sqrt(_variance(values, mean) / n)
    reach = student(n - 1) * sem
    return Estimate(mean, sem, mean - reach, mean + reach)


def estimate_share(scores: Sequence[float]) -> Estimate:
    """Mean of scores in [0, 1], one for each of several prompts, with a 95 % interval.

    A score may be a mean over repeats of its prompt: repeats say nothing about other prompts, so
    only the spread between prompts counts. The interval is Wilson's (1927) with the number of
    prompts that a binomial share would need for the standard error seen (Korn and Graubard 1998),
    which for answers that are right or wrong is the number of prompts.
    """
    n = len(scores)
    mean = min(1.0, max(0.0, math.fsum(scores) / n))
    sem = math.sqrt(_variance(scores, mean) / n) if n > 1 else None
    effective = float(n)
    if sem:
        effective = max(effective, mean * (1 - mean) / sem**2)
    low, high = wilson(mean, effective)
    return Estimate(mean, sem, low, high)


def wilson(share: float, n: float) -> tuple[float, float]:
    """Wilson's score interval (1927) at 95 % of a share seen in `n` trials."""
    centre = (share + Z_95**2 / (2 * n)) / (1 + Z_95**2 / n)
    reach = Z_95 * math.sqrt(share * (1 - share) / n + (Z_95 / (2 * n)) ** 2) / (1 + Z_95**2 / n)
    low = centre - reach if share > 0 else 0.0  # exactly, which rounding would miss
    high = centre + reach if share < 1 else 1.0
    return low, high


def trimmed_mean(values: Sequence[float]) -> Estimate:
    """Mean of repeats without their extremes, with a 95 % interval.

    From six values on, a fifth of them is cut off at either end (one of six to nine), so that a
    burst of foreign work that hits some windows moves neither the mean nor the interval far. The
    interval is that of Tukey and McLaughlin (1963) with Yuen's (1974) standard error, that of the
    winsorised values. Fewer values give Student's interval as it is.
    """
    n = len(values)
    cut = int(TRIMMED * n) if n >= LEAST_TRIMMED else 0
    if not cut:
        return estimate_mean(values)
    ordered = sorted(values)
    kept = ordered[cut : n - cut]
    mean = math.fsum(kept) / len(kept)
    winsorised = [kept[0]] * cut + kept + [kept[-1]] * cut
    centre = math.fsum(winsorised) / n
    h = len(kept)
    sem = math.sqrt((n - 1) * _variance(winsorised, centre) / (h * (h - 1)))
    reach = student(h - 1) * sem
    return Estimate(mean, sem, mean - reach, mean + reach)


def compare(a: Metric, b: Metric, held_up: tuple[float, float] = (0.0, 0.0)) -> Ratio:
    """The ratio a / b, from windows of the same blocks.

    The trimmed mean of the log ratios of the blocks (`trimmed_mean`): what made a whole block slow
    cancels out. What other programs took of the machine does not: it may have slowed one of the two
    and not the other. Where they may have held up a share h of a window, a quiet machine would have
    given between (1 - h) times the value and the value itself; the interval is widened by that for
    both, and has no ends where h is over `MOST_HELD_UP`.

    Args:
        a: with a repeat for each block.
        b: with a repeat for each of the same blocks.
        held_up: the share of the windows of either that others may have held up.

    Raises:
        ValueError: the two have not the same number of repeats, fewer than two, or none positive.
    """
    if len(a.repeats) != len(b.repeats) or len(a.repeats) < 2:
        raise ValueError(
            f"a ratio needs two blocks or more of both, not {len(a.repeats)} and {len(b.repeats)}"
        )
    if min(*a.repeats, *b.repeats) <= 0:
        raise ValueError("a ratio needs positive values")
    logs = [math.log(x / y) for x, y in zip(a.repeats, b.repeats, strict=True)]
    estimate = trimmed_mean(logs)
    assert estimate.low is not None
    assert estimate.high is not None
    if max(held_up) > MOST_HELD_UP:
        return Ratio(math.exp(estimate.value), 0.0, math.inf)
    slowed_a, slowed_b = (math.log(1 - share) for share in held_up)
    low, high = estimate.low + slowed_a, estimate.high - slowed_b
    return Ratio(math.exp(estimate.value), math.exp(low), math.exp(high))


def accuracy_difference(
    scores_a: Sequence[float], scores_b: Sequence[float]
) -> tuple[float, float, float]:
    """Mean difference a - b of scores of the same prompts, with its 95 % interval.

    The interval is that of Bonett and Price (2012) for paired shares, which adds one pair in
    favour of each side, so that it stays honest where few prompts or none differ; here also for
    scores between 0 and 1.

    Raises:
        ValueError: the two are not the same prompts, or there are none.
    """
    if len(scores_a) != len(scores_b) or not scores_a:
        raise ValueError(f"{len(scores_a)} and {len(scores_b)} scores cannot be paired")
    differences = [x - y for x, y in zip(scores_a, scores_b, strict=True)]
    adjusted = [*differences, 1.0, -1.0]
    n = len(adjusted)
    centre = math.fsum(adjusted) / n
    variance = math.fsum((d - centre) ** 2 for d in adjusted) / n
    reach = Z_95 * math.sqrt(variance / n)
    low, high = max(-1.0, centre - reach), min(1.0, centre + reach)
    return math.fsum(differences) / len(differences), low, high


def _variance(values: Sequence[float], mean: float) -> float:
    return math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)


def student(degrees: int) -> float:
    """The 97.5 % point of Student's distribution."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees, 0.975))
