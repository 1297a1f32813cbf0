"""Gaussian processes over a space, one per objective, in the units of the metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from tuner.space.contract import Codes, Parameter, Space
from tuner.surrogates._distance import DistanceTables
from tuner.surrogates._gp import GP, fit_gp
from tuner.surrogates._outcome import Outcome
from tuner.surrogates.objective import Objective

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Prediction:
    """What a surrogate expects of N configurations, all `N x m`.

    Attributes:
        mean: the median of each metric, in its unit.
        sd: its standard deviation in the same unit, to first order; noise is not in it.
        scaled_mean: the mean as the processes see it: smaller is better, standardised.
        scaled_sd: the standard deviation there.

    """

    mean: Floats
    sd: Floats
    scaled_mean: Floats
    scaled_sd: Floats


@dataclass(frozen=True)
class Surrogate:
    """One process per objective over the configurations of a space.

    Make one with `Surrogate.fit`.

    Attributes:
        outcomes: how each objective is scaled, length m.
        processes: the fitted processes, length m.
        codes: measured configurations `n x p`.
        targets: standardised observations `n x m`.
        known: variances of these that repeats show, `n x m`.

    """

    outcomes: tuple[Outcome, ...]
    processes: tuple[GP, ...]
    codes: Codes
    targets: torch.Tensor
    known: torch.Tensor

    @classmethod
    def fit(
        cls,
        space: Space,
        codes: Codes,
        values: Floats,
        sems: Floats | None,
        objectives: Sequence[Objective],
    ) -> Surrogate:
        """Learn from measured configurations.

        Args:
            space: the space of the configurations.
            codes: measured configurations `n x p`, n >= 1, each once.
            values: metrics in their units `n x m`, finite.
            sems: their standard errors, NaN where unknown; None if all are.
            objectives: the m objectives.

        """
        sems = np.full(values.shape, np.nan) if sems is None else sems
        outcomes = tuple(Outcome.of(values[:, j], o) for j, o in enumerate(objectives))
        targets = np.stack([o.standardise(values[:, j]) for j, o in enumerate(outcomes)], 1)
        known = np.stack([o.variance(values[:, j], sems[:, j]) for j, o in enumerate(outcomes)], 1)
        y, noise = torch.from_numpy(targets), torch.from_numpy(known)
        processes = []
        for j, objective in enumerate(objectives):
            columns = relevant(space.parameters, objective)
            distances = DistanceTables.of(space.parameters, columns)
            processes.append(fit_gp(distances, distances.places(codes), y[:, j], noise[:, j]))
        return cls(outcomes, tuple(processes), codes, y, noise)

    def standardised(self, codes: Codes) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and variance as the processes see them, each `N x m`; smaller is better."""
        both = [gp.predict(gp.distances.places(codes)) for gp in self.processes]
        return torch.stack([m for m, _ in both], 1), torch.stack([v for _, v in both], 1)

    def predict(self, codes: Codes) -> Prediction:
        """Expected metrics of N configurations, without the noise of measuring them."""
        mean, variance = (t.numpy() for t in self.standardised(codes))
        sd = np.sqrt(variance)
        columns = []
        for j, outcome in enumerate(self.outcomes):
            low, middle, high = (outcome.natural(mean[:, j] + k * sd[:, j]) for k in (-1, 0, 1))
            columns.append((middle, abs(high - low) / 2))
        natural = [np.stack(c, 1) for c in zip(*columns, strict=True)]
        return Prediction(natural[0], natural[1], mean, sd)

    def imagine(self, codes: Codes) -> Surrogate:
        """The surrogate as if it had measured its own expectation at further configurations."""
        if not len(codes):
            return self
        expected, _ = self.standardised(codes)
        targets = torch.cat([self.targets, expected])
        known = torch.cat([self.known, torch.zeros_like(expected)])
        everything = np.concatenate([self.codes, codes])
        processes = tuple(
            gp.with_data(gp.distances.places(everything), targets[:, j], known[:, j])
            for j, gp in enumerate(self.processes)
        )
        return replace(self, processes=processes, codes=everything, targets=targets, known=known)


def relevant(parameters: Sequence[Parameter], objective: Objective) -> tuple[int, ...]:
    """Columns that can make a difference to an objective.

    Out go parameters that the space says cannot affect it, unless that leaves none.
    """
    found = tuple(
        j
        for j, p in enumerate(parameters)
        if objective.kind is None or p.affects is None or objective.kind in p.affects
    )
    return found or tuple(range(len(parameters)))
