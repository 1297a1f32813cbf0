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
        on_front: which of them are non-dominated among those that keep the service levels.
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
        on_front = dataset.meets_levels.copy()
        on_front[dataset.meets_levels] = minimal(means[dataset.meets_levels])
        return cls(means, on_front, reference_point(means))

    @property
    def points(self) -> Floats:
        """The front itself, `k x m`; empty while nothing keeps the service levels."""
        return self.means[self.on_front]


def reference_point(points: Floats) -> Floats:
    """A point behind the worst of all points, so that both ends of a front stay worth finding.

    Bad outliers are cut off before (`OutcomeTransform.upper_clip`), so one absurd value cannot
    move it far.
    """
    best, worst = points.min(0), points.max(0)
    padded: Floats = worst + PADDING * np.maximum(worst - best, 1e-3)
    return padded
