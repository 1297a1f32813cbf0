"""Learning which configurations fail, by cause, from those that did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from tuner.space.contract import Codes, Space
from tuner.surrogates._distance import DistanceTables
from tuner.surrogates._gp import GP, fit_gp

OPTIMISM = 0.5
"""Prior belief that a configuration works, on the scale on which works = 1 and fails = -1."""


@dataclass(frozen=True)
class Feasibility:
    """Probability that a configuration can be measured at all.

    One process per cause of failure, on labels +1 (worked) and -1 (failed so): causes have
    different shapes (memory grows with the batch, a refused pair is two values), and a process
    for each needs fewer failures than one for all. Far from all labels the belief is `OPTIMISM`.

    Attributes:
        processes: the fitted processes, one per cause.

    """

    processes: tuple[GP, ...]

    @classmethod
    def fit(cls, space: Space, worked: Codes, failed: Codes, causes: Sequence[str]) -> Feasibility:
        """Learn from what worked (`n x p`) and what failed (`k x p`, with k causes)."""
        distances = DistanceTables.of(space.parameters, range(len(space.parameters)))
        processes = []
        for cause in sorted(set(causes)):
            mine = failed[[c == cause for c in causes]]
            codes = np.concatenate([worked, mine])
            labels = torch.ones(len(codes), dtype=torch.float64)
            labels[len(worked) :] = -1.0
            zero = torch.zeros_like(labels)
            places = distances.places(codes)
            processes.append(fit_gp(distances, places, labels - OPTIMISM, zero))
        return cls(tuple(processes))

    def probability(self, codes: Codes) -> torch.Tensor:
        """Probability of working for each of N configurations, length N."""
        chance = torch.ones(len(codes), dtype=torch.float64)
        for gp in self.processes:
            mean, variance = gp.predict(gp.distances.places(codes))
            chance *= torch.special.ndtr((mean + OPTIMISM) / (variance + gp.noise).sqrt())
        return chance
