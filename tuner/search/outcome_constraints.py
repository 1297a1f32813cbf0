"""The service levels as constraints on the outputs of a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tuner.search.dataset import Dataset
from tuner.space.contract import Space
from tuner.surrogates import Objective, Surrogate
from tuner.surrogates.service_level import ServiceLevel, limits_of

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class OutcomeConstraints:
    """Lower bounds on outputs of a surrogate's model, where larger is better.

    Attributes:
        columns: which output each bound is on, length l.
        bounds: the bounds, length l.

    """

    columns: tuple[int, ...]
    bounds: Floats

    @classmethod
    def of(
        cls,
        space: Space,
        dataset: Dataset,
        surrogate: Surrogate,
        outputs: Sequence[Objective],
        levels: Sequence[ServiceLevel],
    ) -> OutcomeConstraints:
        """The levels; one that is relative to a default nobody could measure binds nothing."""
        default = default_metrics(space, dataset, outputs)
        columns, bounds = [], []
        for level, limit in zip(levels, limits_of(levels, default), strict=True):
            if limit is None:
                continue
            column = next(
                j for j, o in enumerate(outputs) if (o.metric, o.direction) == _bounded(level)
            )
            transform = surrogate.transforms[column]
            columns.append(column)
            bounds.append(transform.transform_limit(limit))
        return cls(tuple(columns), np.array(bounds, dtype=np.float64))

    def is_feasible(self, values: Floats) -> npt.NDArray[np.bool_]:
        """Whether outputs (`... x m`) keep all bounds, of shape `...`."""
        return np.asarray((values[..., self.columns] >= self.bounds).all(-1))

    def probability_of_feasibility(self, mean: Tensor, variance: Tensor) -> Tensor:
        """Probability that N configurations keep all bounds, the outputs independent, length N.

        Args:
            mean: of the outputs, `N x m`.
            variance: of the outputs, `N x m`.

        """
        probability = torch.ones(len(mean), dtype=torch.float64)
        for column, bound in zip(self.columns, self.bounds.tolist(), strict=True):
            z = (mean[:, column] - bound) / variance[:, column].sqrt()
            probability *= torch.special.ndtr(z)
        return probability


def default_metrics(
    space: Space, dataset: Dataset, outputs: Sequence[Objective]
) -> dict[str, float]:
    """What was measured of the default configuration, by metric; empty where it was not."""
    measured = (dataset.codes == space.encode([space.default])[0]).all(1)
    if not measured.any():
        return {}
    row = dataset.values[measured][0]
    return {output.metric: float(v) for output, v in zip(outputs, row, strict=True)}


def transformed_limits(
    space: Space,
    dataset: Dataset,
    surrogate: Surrogate,
    outputs: Sequence[Objective],
    limits: Sequence[ServiceLevel],
) -> Floats:
    """Limits of interest on the outputs, transformed and minimised; NaN for none. Length m.

    One that is relative to a default nobody could measure is none.
    """
    found = np.full(len(outputs), np.nan)
    default = default_metrics(space, dataset, outputs)
    for level, limit in zip(limits, limits_of(limits, default), strict=True):
        for j, output in enumerate(outputs):
            if limit is not None and (output.metric, output.direction) == _bounded(level):
                bound = -surrogate.transforms[j].transform_limit(limit)
                found[j] = np.fmin(found[j], bound)
    return found


def _bounded(level: ServiceLevel) -> tuple[str, str]:
    return level.metric, level.direction
