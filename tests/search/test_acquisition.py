"""Expected hypervolume improvement against sampling and against BoTorch's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from botorch.acquisition.multi_objective.analytic import ExpectedHypervolumeImprovement
from botorch.models.deterministic import DeterministicModel
from botorch.posteriors import GPyTorchPosterior
from botorch.utils.multi_objective.box_decompositions import NondominatedPartitioning
from gpytorch.distributions import MultitaskMultivariateNormal

from tuner.search.acquisition import ExactEHVI, ehvi
from tuner.search.expected_front import ExpectedFront
from tuner.search.pareto import free_boxes, hypervolume, minimal
from tuner.search.remaining_gain import set_gains


def problem(m, n=12, candidates=6):
    rng = np.random.default_rng(m)
    front = rng.normal(size=(n, m))
    return (
        front,
        np.full(m, 1.0),
        torch.tensor(rng.normal(size=(candidates, m)) - 0.5),
        torch.tensor(rng.random((candidates, m)) + 0.05),
    )


@pytest.mark.parametrize("m", [1, 2, 3])
def test_it_is_the_mean_of_what_samples_add(m):
    front, reference, mean, sd = problem(m, candidates=2)
    if m == 1:
        reference = front.min(0) + 100  # everything a single objective gains is below its best
    found = ehvi(mean, sd, free_boxes(front, reference)).numpy()
    draws = np.random.default_rng(0).normal(size=(500, m))
    base = hypervolume(front, reference)
    for k in range(len(mean)):
        added = [
            hypervolume(np.vstack([front, y]), reference) - base
            for y in mean[k].numpy() + sd[k].numpy() * draws
        ]
        assert found[k] == pytest.approx(np.mean(added), abs=4 * np.std(added) / 500**0.5 + 1e-9)


class Normal(DeterministicModel):
    def __init__(self, mean, sd):
        super().__init__()
        self.mean, self.sd, self._num_outputs = mean, sd, mean.shape[1]

    def posterior(self, X, **_):
        rows = X[..., 0, 0].long()
        mean, sd = self.mean[rows][:, None], self.sd[rows][:, None]
        covariance = torch.diag_embed((sd * sd).flatten(-2))
        return GPyTorchPosterior(MultitaskMultivariateNormal(mean, covariance))

    def forward(self, X):
        raise NotImplementedError


@pytest.mark.parametrize("m", [2, 3, 4])
def test_it_agrees_with_botorch(m):
    front, reference, mean, sd = problem(m)
    model = Normal(-mean, sd)
    ours = ExactEHVI(model, ExpectedFront(front, minimal(front), reference))
    theirs = ExpectedHypervolumeImprovement(
        model,
        (-reference).tolist(),
        NondominatedPartitioning(torch.tensor(-reference), torch.tensor(-front)),
    )
    rows = torch.arange(len(mean), dtype=torch.float64)[:, None, None]
    torch.testing.assert_close(ours(rows), theirs(rows))


def test_sets_gain_at_least_what_their_best_member_gains():
    front, reference, mean, _ = problem(3)
    alone = max(
        set_gains(mean[k][None, None].numpy(), front, reference)[0] for k in range(len(mean))
    )
    together = set_gains(mean[None].numpy(), front, reference)[0]
    assert together >= alone - 1e-12
