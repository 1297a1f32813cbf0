"""Service levels, failures and cost around any acquisition function."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from botorch.acquisition import AcquisitionFunction
from torch import Tensor

from tuner.search.cost import CostModel
from tuner.search.outcome_constraints import OutcomeConstraints
from tuner.surrogates import Feasibility, Surrogate


@dataclass(frozen=True)
class AcquisitionWeights:
    """What a gain is multiplied with: the chance of having it, and its share of a second.

    Attributes:
        surrogate: the models of all outputs.
        feasibility: the chance that a configuration can be measured.
        constraints: the service levels.
        cost: what a measurement takes.

    """

    surrogate: Surrogate
    feasibility: Feasibility
    constraints: OutcomeConstraints
    cost: CostModel

    def probability(self, X: Tensor) -> tuple[Tensor, Tensor]:
        """Of being measurable and of keeping the levels, each for N codes `N x p`, length N."""
        measurable = self.feasibility.probability(X)
        if not self.constraints.columns:
            return measurable, torch.ones_like(measurable)
        moments = self.surrogate.moments(X)
        return measurable, self.constraints.probability_of_feasibility(*moments)

    def seconds(self, X: Tensor) -> Tensor:
        """Expected seconds of measuring each of N codes `N x p` next, length N."""
        return torch.from_numpy(self.cost.seconds(X.numpy().astype(np.int32)))


class WeightedAcquisition(AcquisitionFunction):  # type: ignore[misc]
    """Any acquisition function, times the probability of success, divided by the cost.

    Values that are logarithms, as BoTorch's `_log` says, get the logarithms of these added. Others
    must not be negative. Under outcome constraints this is the constrained expected improvement of
    Gardner et al. 2014 ("Bayesian optimization with inequality constraints"), and with a cost the
    gain per second of Snoek et al. 2012 ("Practical Bayesian optimization ...").

    Args:
        acquisition: takes `N x 1 x p` codes.
        weights: what it is weighed by.

    """

    def __init__(self, acquisition: AcquisitionFunction, weights: AcquisitionWeights) -> None:
        super().__init__(acquisition.model)
        self.acquisition = acquisition
        self.weights = weights
        self._log: bool = acquisition._log

    @property
    def nothing(self) -> float:
        """The value of a configuration from which no gain is expected."""
        return -np.inf if self._log else 0.0

    @torch.no_grad()
    def forward(self, X: Tensor) -> Tensor:
        """The weighed value of each of `N x 1 x p` codes, length N."""
        codes = X[:, 0]
        value: Tensor = self.acquisition(X)
        measurable, kept = self.weights.probability(codes)
        seconds = self.weights.seconds(codes)
        if self._log:
            return value + measurable.log() + kept.log() - seconds.log()
        return value * measurable * kept / seconds
