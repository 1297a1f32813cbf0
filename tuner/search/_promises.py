"""The chance that configurations keep the service levels, as the processes see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from tuner.search._history import History
from tuner.space.contract import Space
from tuner.surrogates import Objective, Surrogate
from tuner.surrogates.level import Level, limits_of

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Promises:
    """Bounds in the standardised units of a surrogate, where smaller is better.

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
        history: History,
        surrogate: Surrogate,
        outputs: Sequence[Objective],
        levels: Sequence[Level],
    ) -> Promises:
        """The levels; one that is relative to a default nobody could measure binds nothing."""
        measured = (history.codes == space.encode([space.default])[0]).all(1)
        row = history.values[measured][0] if measured.any() else None
        names = [o.metric for o in outputs]
        default = {} if row is None else dict(zip(names, row.tolist(), strict=True))
        columns, bounds = [], []
        for level, limit in zip(levels, limits_of(levels, default), strict=True):
            if limit is not None:
                column = next(
                    j
                    for j, o in enumerate(outputs)
                    if (o.metric, o.direction) == (level.metric, level.direction)
                )
                columns.append(column)
                bounds.append(surrogate.outcomes[column].bound(limit, history.values[:, column]))
        return cls(tuple(columns), np.array(bounds, dtype=np.float64))

    def kept(self, values: Floats) -> npt.NDArray[np.bool_]:
        """Whether standardised values (`... x m`) keep all bounds, of shape `...`."""
        return np.asarray((values[..., self.columns] <= self.bounds).all(-1))

    def chance(self, mean: torch.Tensor, variance: torch.Tensor) -> torch.Tensor:
        """Probability that N configurations keep all bounds, the processes independent."""
        chance = torch.ones(len(mean), dtype=torch.float64)
        for column, bound in zip(self.columns, self.bounds.tolist(), strict=True):
            z = (bound - mean[:, column]) / variance[:, column].sqrt()
            chance *= torch.special.ndtr(z)
        return chance
