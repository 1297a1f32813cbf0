"""Learning which configurations fail, by cause, from those that did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tuner.space.contract import Codes, Space
from tuner.surrogates.distances import DistanceTables
from tuner.surrogates.fitting import fit_map
from tuner.surrogates.gp import ConfigurationGP

OPTIMISM = 0.5
"""Prior belief that a configuration works, on the scale on which works = 1 and fails = -1."""


@dataclass(frozen=True)
class Feasibility:
    """Probability that a configuration can be measured at all.

    One model per cause of failure, on labels +1 (worked) and -1 (failed so): causes have
    different shapes (memory grows with the batch, a refused pair is two values), and a model
    for each needs fewer failures than one for all. Far from all labels the belief is `OPTIMISM`.

    Attributes:
        models: the fitted models, one per cause.

    """

    models: tuple[ConfigurationGP, ...]

    @classmethod
    def fit(cls, space: Space, worked: Codes, failed: Codes, causes: Sequence[str]) -> Feasibility:
        """Learn from what worked (`n x p`) and what failed (`k x p`, with k causes)."""
        distances = DistanceTables.of(space.parameters, range(len(space.parameters)))
        models = []
        for cause in sorted(set(causes)):
            mine = failed[[c == cause for c in causes]]
            X = torch.as_tensor(np.concatenate([worked, mine])).double()
            labels = torch.ones(len(X), 1, dtype=torch.float64)
            labels[len(worked) :] = -1.0
            models.append(fit_map(ConfigurationGP(X, labels - OPTIMISM, distances=distances)))
        return cls(tuple(models))

    def probability(self, X: Tensor) -> Tensor:
        """Probability of working for each of N configurations, codes `N x p`, length N."""
        chance = torch.ones(len(X), dtype=torch.float64)
        for model in self.models:
            posterior = model.posterior(X[:, None])
            mean, variance = posterior.mean[:, 0, 0], posterior.variance[:, 0, 0]
            chance *= torch.special.ndtr((mean + OPTIMISM) / (variance + model.noise).sqrt())
        return chance
