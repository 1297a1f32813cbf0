"""Optuna's GPSampler: log expected hypervolume improvement on Gaussian processes.

Ordered parameters are integers, the places of their values in order, so that it searches exactly
the values; categories are categorical. Told log-scaled objectives, which it only standardises.
`gp` of `tune replay` asks for numbers on their own scales instead, as users of Optuna would.
"""

from __future__ import annotations

from collections.abc import Sequence

import optuna
import torch

from peers.nearest import Nearest
from tuner.space import Table
from tuner.space.contract import Parameter
from tuner.surrogates.objective import Objective

FORGIVEN = 5


def optuna_gp(table: Table, objectives: Sequence[Objective], seed: int, budget: int) -> Nearest:
    """A replay strategy."""
    peer = OptunaGP(table.space.parameters, len(objectives), seed)
    return Nearest(peer, table, objectives, FORGIVEN)


class OptunaGP:
    """A study with a GPSampler (see `peers.nearest.Peer`)."""

    def __init__(self, parameters: Sequence[Parameter], objectives: int, seed: int) -> None:
        torch.set_num_threads(1)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.distributions: dict[str, optuna.distributions.BaseDistribution] = {
            p.name: optuna.distributions.IntDistribution(0, len(p.values) - 1)
            if p.kind == "ordered"
            else optuna.distributions.CategoricalDistribution(range(len(p.values)))
            for p in parameters
        }
        self.study = optuna.create_study(
            directions=["minimize"] * objectives,
            sampler=optuna.samplers.GPSampler(seed=seed, deterministic_objective=True),
        )

    def ask(self) -> list[int]:
        """See `Peer`."""
        self.trial = self.study.ask(self.distributions)
        return [self.trial.params[name] for name in self.distributions]

    def tell(self, values: list[float]) -> None:
        """See `Peer`."""
        self.study.tell(self.trial, values)

    def add(self, codes: Sequence[int], values: list[float]) -> None:
        """See `Peer`."""
        self.study.add_trial(
            optuna.trial.create_trial(
                params=dict(zip(self.distributions, codes, strict=True)),
                distributions=self.distributions,
                values=values,
            )
        )
