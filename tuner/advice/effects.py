"""What each choice does to each objective, as the surrogates see it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tuner.measure.statistics import Z_95
from tuner.space import Space, Value
from tuner.space.contract import INACTIVE

if TYPE_CHECKING:
    from tuner.surrogates import OutcomeTransform, Surrogate

Array = npt.NDArray[np.float64]

SAMPLED = 800
"""Valid configurations over which effects are averaged."""
LEAST = 8
"""Of these so many at least must have made a choice, and have made another."""


@dataclass(frozen=True)
class Effect:
    """How much one choice changes an objective, averaged over valid configurations.

    Attributes:
        feature: the decision.
        value: the choice.
        metric: the objective.
        change: against the average of the other choices: relative (-0.3 is 30 % less) where the
            objective is modelled on a logarithmic scale, else in the objective's unit.
        low: lower end of its 95 % interval.
        high: upper end.
        relative: whether `change` is relative.

    """

    feature: str
    value: Value
    metric: str
    change: float
    low: float
    high: float
    relative: bool

    @property
    def clear(self) -> bool:
        """Whether the interval leaves no doubt that there is an effect."""
        return self.low > 0 or self.high < 0


def effects(space: Space, surrogate: Surrogate, seed: int = 0) -> tuple[Effect, ...]:
    """The effects of every choice that varied among the measured configurations.

    A choice's effect is the difference of two averages of the surrogate's mean, over valid
    configurations that make the choice and over those that make another one. Its interval counts
    what the surrogate does not know (the joint posterior) and that only some configurations were
    averaged. It is about the space as a whole: what else such configurations have in common is
    part of it.
    """
    from tuner.surrogates.surrogate import as_inputs  # loads torch

    codes = surrogate.codes
    grid = np.concatenate([space.sample(SAMPLED, np.random.default_rng(seed)), codes])
    found: list[Effect] = []
    for model, transform in zip(surrogate.models, surrogate.transforms, strict=True):
        normal = model.posterior(as_inputs(grid)).distribution
        mean, covariance = normal.mean.numpy(), normal.covariance_matrix.numpy()
        for k in model.distances.columns:
            parameter = space.parameters[k]
            for index in sorted(set(codes[:, k].tolist()) - {INACTIVE}):
                step = _difference(grid[:, k], index, mean, covariance)
                if step is not None:
                    value = parameter.values[index]
                    found.append(_effect(parameter.name, value, transform, *step))
    return tuple(found)


def _effect(
    feature: str, value: Value, transform: OutcomeTransform, middle: float, sd: float
) -> Effect:
    """An effect from a step in transformed units, where larger is better."""
    sign = transform.spread * (-1.0 if transform.objective.direction == "min" else 1.0)
    reach = Z_95 * abs(sign) * sd
    ends = [sign * middle, sign * middle - reach, sign * middle + reach]
    relative = transform.scale == "log"
    change, low, high = np.expm1(ends).tolist() if relative else ends
    return Effect(feature, value, transform.objective.metric, change, low, high, relative)


def strongest(found: Sequence[Effect], n: int) -> list[Effect]:
    """The clear effects, for each feature and metric only the strongest, strongest first."""
    best: dict[tuple[str, str], Effect] = {}
    for effect in sorted(found, key=_strength, reverse=True):
        if effect.clear:
            best.setdefault((effect.feature, effect.metric), effect)
    return list(best.values())[:n]


def _strength(effect: Effect) -> float:
    return abs(float(np.log1p(effect.change))) if effect.relative else abs(effect.change)


def _difference(
    column: Array, index: int, mean: Array, covariance: Array
) -> tuple[float, float] | None:
    """With the choice less with another one: the difference of averages and its deviation."""
    chosen, other = column == index, (column != index) & (column != INACTIVE)
    if chosen.sum() < LEAST or other.sum() < LEAST:
        return None
    weights = chosen / chosen.sum() - other / other.sum()
    drawn = mean[chosen].var() / chosen.sum() + mean[other].var() / other.sum()
    unknown = max(0.0, float(weights @ covariance @ weights))
    return float(weights @ mean), math.sqrt(unknown + float(drawn))
