"""From measured values to what a Gaussian process likes, and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tuner.surrogates.objective import Objective, Scale, from_scale, slope, to_scale

Floats = npt.NDArray[np.float64]

TAIL = 3.0
"""Bad values are cut off this many interquartile ranges above the upper quartile."""


@dataclass(frozen=True)
class Outcome:
    """How one objective is scaled: log or logit, minimised, bad tail cut off, standardised.

    Attributes:
        objective: the objective.
        scale: its scale for these data.
        centre: mean on that scale, in its turned (minimised) sense.
        spread: standard deviation on that scale.
        cap: scaled values above it count as it.

    """

    objective: Objective
    scale: Scale
    centre: float
    spread: float
    cap: float

    @classmethod
    def of(cls, values: Floats, objective: Objective) -> Outcome:
        """Read scale, cap and spread from the values measured so far."""
        scale = objective.scale_for(values)
        scaled = to_scale(values, objective, scale)
        lower, upper = np.quantile(scaled, [0.25, 0.75])
        cap = upper + TAIL * max(upper - lower, 1e-12) if len(scaled) >= 4 else scaled.max()
        kept = np.minimum(scaled, cap)
        spread = float(kept.std())
        if not spread > 1e-9 * max(1.0, float(abs(kept).max())):
            spread = 1.0
        return cls(objective, scale, float(kept.mean()), spread, float(cap))

    def standardise(self, values: Floats) -> Floats:
        """Measured values as the process sees them: smaller is better, mean 0, variance 1."""
        scaled = np.minimum(to_scale(values, self.objective, self.scale), self.cap)
        return (scaled - self.centre) / self.spread

    def bound(self, limit: float, values: Floats) -> float:
        """Where a limit on the metric lies among standardised values.

        One that has no place on the scale, such as 0 on a logarithmic one, lies infinitely far
        on the side where it belongs. Where bad values were cut off, the limit stays below the
        cut, so that what was cut off does not seem to keep it.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            scaled = float(to_scale(np.array([limit]), self.objective, self.scale)[0])
        if np.isnan(scaled):  # the logarithm of a negative number
            scaled = -np.inf if self.objective.direction == "min" else np.inf
        if (to_scale(values, self.objective, self.scale) > self.cap).any():
            scaled = min(scaled, self.cap - 1e-6 * self.spread)
        return (scaled - self.centre) / self.spread

    def variance(self, values: Floats, sems: Floats) -> Floats:
        """Variance of standardised values from standard errors; 0 where that is unknown."""
        carried = np.nan_to_num(sems) * slope(values, self.scale) / self.spread
        return np.minimum(carried**2, 1e4)

    def natural(self, standardised: Floats) -> Floats:
        """Back to the unit of the metric: of a mean, the median of the prediction."""
        scaled = standardised * self.spread + self.centre
        return from_scale(scaled, self.objective, self.scale)
