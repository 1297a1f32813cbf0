"""The front that a model expects, and the point from which its hypervolume is counted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from botorch.models.model import Model

from tuner.search.dataset import Dataset
from tuner.search.pareto import minimal
from tuner.surrogates.surrogate import as_inputs

Floats = npt.NDArray[np.float64]

PADDING = 0.1
"""The reference point lies this share of the range behind the worst expectation."""


@dataclass(frozen=True)
class ExpectedFront:
    """Posterior means of a dataset's baseline, minimised as everywhere in `pareto`.

    Attributes:
        means: expected objectives of measured and pending configurations, `(n + q) x m`.
        on_front: which of them are non-dominated among those that keep the service levels, and
            the limits of interest where any does.
        reference: reference point of the hypervolume, length m.

    """

    means: Floats
    on_front: npt.NDArray[np.bool_]
    reference: Floats

    @classmethod
    def of(cls, model: Model, dataset: Dataset) -> ExpectedFront:
        """What a model of the objectives (larger is better) expects of a dataset."""
        posterior = model.posterior(as_inputs(dataset.baseline)[:, None])
        means = -posterior.mean[:, 0].numpy()
        reference = reference_point(means, dataset.limits)
        counts = dataset.meets_levels & (means < reference).all(1)
        on_front = counts if counts.any() else dataset.meets_levels.copy()
        on_front[on_front] = minimal(means[on_front])
        return cls(means, on_front, reference)

    @property
    def points(self) -> Floats:
        """The front itself, `k x m`; empty while nothing keeps the service levels."""
        return self.means[self.on_front]


def reference_point(points: Floats, limits: Floats) -> Floats:
    """Limits of interest; where there is none, a point behind the worst of all points.

    Behind the worst, so that both ends of a front stay worth finding. Bad outliers are cut off
    before (`OutcomeTransform.upper_clip`), so one absurd value cannot move it far.

    Args:
        points: what is expected of all that was measured, `n x m`.
        limits: limits on the outputs, of which the m objectives are the first; NaN for none.

    """
    best, worst = points.min(0), points.max(0)
    padded = worst + PADDING * np.maximum(worst - best, 1e-3)
    stated = limits[: len(padded)]
    reference: Floats = np.where(np.isnan(stated), padded, stated)
    return reference
