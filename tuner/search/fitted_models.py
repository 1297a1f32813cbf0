"""The models of what was measured and what failed, apart from what is running.

Running trials change no hyperparameter: with them, the same models are conditioned on their own
expectations. So the stopping rule, which leaves them out, and every proposal beside them share one
fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from tuner.search.cost import CostModel
from tuner.search.dataset import Dataset
from tuner.search.single_thread import single_thread
from tuner.space.contract import Space
from tuner.surrogates import Feasibility, Objective, Surrogate

RETAINED = 2_000_000
"""Numbers in an array that is made and freed untouched: glibc keeps up to twice what was freed at
once before it hands memory back to the system. Without, it hands back and fetches anew the pages of
every matrix of a likelihood, which takes a third of a fit to 200 measurements."""


@dataclass(frozen=True)
class FittedModels:
    """Models fitted to a dataset.

    Attributes:
        surrogate: the models of the outputs, conditioned on what was measured.
        feasibility: the chance that configurations can be measured.
        cost: what measuring them takes.

    """

    surrogate: Surrogate
    feasibility: Feasibility
    cost: CostModel

    @classmethod
    def of(cls, space: Space, outputs: Sequence[Objective], dataset: Dataset) -> FittedModels:
        """Fit to a dataset with at least one measurement; what is pending in it counts nothing."""
        torch.empty(RETAINED, dtype=torch.float64)
        with single_thread():
            return cls(
                Surrogate.fit(
                    space,
                    dataset.codes,
                    dataset.values,
                    dataset.sems,
                    outputs,
                    ended=dataset.ended,
                    bounds=dataset.bounds,
                ),
                Feasibility.fit(space, dataset.codes, dataset.failed, dataset.causes),
                CostModel.fit(space, dataset),
            )
