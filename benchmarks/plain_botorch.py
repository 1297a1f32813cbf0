"""The reference: BoTorch's own models and acquisition, used plainly over all unmeasured rows.

One `SingleTaskGP` per objective with its default priors, numbers scaled to [0, 1], categories
one-hot, positive objectives that span more than a factor of 3 on the log scale, and
qLogEHVI evaluated on every row that was not measured yet. It is given what it can take of this
tuner: only valid rows, and the same initial design of `size` rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from peers.nearest import scaled

from tuner.search import initial_design
from tuner.space import Table
from tuner.surrogates.objective import Objective


class PlainBoTorch:
    """A replay strategy (see `tuner.search.replay`)."""

    def __init__(
        self, table: Table, objectives: Sequence[Objective], seed: int, budget: int, size: int = 8
    ) -> None:
        self.table, self.objectives, self.seed = table, objectives, seed
        size = min(size, max(2, len(table.space) // 4), budget)
        self.first = table.space.index(initial_design(table.space, size, seed=seed)).tolist()
        self.x = torch.from_numpy(_one_hot(table))

    def __call__(self, rows: Sequence[int]) -> int:
        """The row to measure next."""
        if len(rows) < len(self.first):
            return self.first[len(rows)]
        torch.set_num_threads(1)
        torch.manual_seed(self.seed * 1000 + len(rows))
        left = np.setdiff1d(np.arange(len(self.table.space)), np.array(rows))
        acquisition = self._acquisition(list(rows))
        with torch.no_grad():
            scores = torch.cat([acquisition(x[:, None]) for x in self.x[left].split(256)])
        return int(left[int(scores.argmax())])

    def _acquisition(self, rows: list[int]):
        from botorch.acquisition.multi_objective.logei import (
            qLogExpectedHypervolumeImprovement,
        )
        from botorch.fit import fit_gpytorch_mll
        from botorch.models import ModelListGP, SingleTaskGP
        from botorch.models.transforms import Standardize
        from botorch.utils.multi_objective.box_decompositions import (
            FastNondominatedPartitioning,
        )
        from botorch.utils.multi_objective.hypervolume import infer_reference_point
        from botorch.utils.multi_objective.pareto import is_non_dominated
        from gpytorch.mlls import SumMarginalLogLikelihood

        y = torch.from_numpy(-scaled(self.table.values[rows], self.objectives))
        x = self.x[rows]
        models = [
            SingleTaskGP(x, y[:, [j]], outcome_transform=Standardize(1)) for j in range(y.shape[1])
        ]
        model = ModelListGP(*models)
        fit_gpytorch_mll(SumMarginalLogLikelihood(model.likelihood, model))
        reference = infer_reference_point(y[is_non_dominated(y)], scale=0.1)
        return qLogExpectedHypervolumeImprovement(
            model, reference.tolist(), FastNondominatedPartitioning(reference, y)
        )


def _one_hot(table: Table) -> np.ndarray:
    columns = []
    for j, parameter in enumerate(table.space.parameters):
        codes = table.space.rows_[:, j]
        if parameter.kind == "ordered":
            columns.append(np.array([*parameter.positions, 0.0])[codes])
        else:
            columns += [codes == k for k in range(len(parameter.values))]
    return np.stack(columns, 1).astype(np.float64)
