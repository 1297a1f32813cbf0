"""From measured values to what a Gaussian process is fitted to, and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tuner.surrogates.objective import Objective, Scale, from_scale, slope, to_scale

Floats = npt.NDArray[np.float64]

TAIL = 3.0
"""Bad values are cut off this many interquartile ranges above the upper quartile."""


@dataclass(frozen=True)
class OutcomeTransform:
    """How one objective is scaled: log or logit, bad tail clipped, standardised, maximised.

    Transformed values are what the models of `tuner.surrogates` see. As everywhere in BoTorch,
    larger is better.

    Attributes:
        objective: the objective.
        scale: its scale for these data.
        centre: mean on that scale, turned so that smaller is better (`to_scale`), less what is
            expected.
        spread: standard deviation of the same.
        upper_clip: turned values that lie this far above what is expected, or further, count as
            this far.
        least_clipped: the best turned value that a clipped one counts as; infinite where none is.

    """

    objective: Objective
    scale: Scale
    centre: float
    spread: float
    upper_clip: float
    least_clipped: float = np.inf

    @classmethod
    def of(
        cls, values: Floats, objective: Objective, expected: Floats | None = None
    ) -> OutcomeTransform:
        """Read scale, clip and spread from the values measured so far.

        Args:
            values: the metric of n configurations.
            objective: what it is.
            expected: turned values that are expected of these, up to a constant, length n; None
                expects the same of all.

        """
        scale = objective.scale_for(values)
        expected = np.zeros(len(values)) if expected is None else expected
        scaled = to_scale(values, objective, scale) - expected
        lower, upper = np.quantile(scaled, [0.25, 0.75])
        clip = upper + TAIL * max(upper - lower, 1e-12) if len(scaled) >= 4 else scaled.max()
        kept = np.minimum(scaled, clip)
        spread = float(kept.std())
        if not spread > 1e-9 * max(1.0, float(abs(kept).max())):
            spread = 1.0
        clipped = (kept + expected)[scaled > clip]
        least_clipped = float(clipped.min(initial=np.inf))
        return cls(objective, scale, float(kept.mean()), spread, float(clip), least_clipped)

    def transform(self, values: Floats, expected: Floats | None = None) -> Floats:
        """Measured values as the model sees them: larger is better, mean 0, variance 1.

        Mean and variance are those of what was not expected (see `of`).
        """
        scaled = to_scale(values, self.objective, self.scale)
        if expected is None:
            scaled = np.minimum(scaled, self.upper_clip)
        else:
            scaled = np.minimum(scaled - expected, self.upper_clip) + expected
        return (self.centre - scaled) / self.spread

    def transform_limit(self, limit: float) -> float:
        """Where a limit on the metric lies among transformed values.

        One that has no value on the scale, such as 0 on a logarithmic one, lies infinitely far
        on the side where it belongs. Where bad values were clipped, the limit stays better than
        the clip, so that what was clipped does not seem to keep it.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            scaled = float(to_scale(np.array([limit]), self.objective, self.scale)[0])
        if np.isnan(scaled):  # the logarithm of a negative number
            scaled = -np.inf if self.objective.direction == "min" else np.inf
        scaled = min(scaled, self.least_clipped - 1e-6 * self.spread)
        return (self.centre - scaled) / self.spread

    def transform_variance(self, values: Floats, sems: Floats) -> Floats:
        """Variance of transformed values from standard errors; 0 where that is unknown."""
        carried = np.nan_to_num(sems) * slope(values, self.scale) / self.spread
        return np.minimum(carried**2, 1e4)

    def untransform(self, transformed: Floats) -> Floats:
        """Back to the unit of the metric: of a mean, the median of the prediction."""
        return from_scale(self.centre - transformed * self.spread, self.objective, self.scale)
