"""Ax with the generation strategy that it chooses by default: its centre, Sobol, then BoTorch.

Ordered parameters are ordered choices of their values, categories unordered ones. In spaces of up
to 10,000 combinations Ax then compares all that it was not told of, in larger ones it searches
locally. Told log-scaled objectives, which it only standardises.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence

import torch
from ax.api.client import Client
from ax.api.configs import ChoiceParameterConfig

from peers.nearest import Nearest
from tuner.space import Table
from tuner.space.contract import Parameter
from tuner.surrogates.objective import Objective

FORGIVEN = 1


def ax_client(table: Table, objectives: Sequence[Objective], seed: int, budget: int) -> Nearest:
    """A replay strategy."""
    peer = AxClient(table.space.parameters, len(objectives), seed)
    return Nearest(peer, table, objectives, FORGIVEN)


class AxClient:
    """An experiment of Ax (see `peers.nearest.Peer`)."""

    def __init__(self, parameters: Sequence[Parameter], objectives: int, seed: int) -> None:
        torch.set_num_threads(1)
        for name in list(logging.root.manager.loggerDict):
            if name.startswith("ax."):
                logging.getLogger(name).setLevel(logging.ERROR)
        warnings.filterwarnings("ignore")
        self.parameters = parameters
        self.outcomes = [f"objective{j}" for j in range(objectives)]
        self.client = Client(random_seed=seed)
        self.client.configure_experiment([_choice(p) for p in parameters])
        self.client.configure_optimization(", ".join(f"-{name}" for name in self.outcomes))

    def ask(self) -> list[int]:
        """See `Peer`."""
        ((self.trial, answer),) = self.client.get_next_trials(1).items()
        return [p.values.index(answer[p.name]) for p in self.parameters]

    def tell(self, values: list[float]) -> None:
        """See `Peer`."""
        self.client.complete_trial(self.trial, dict(zip(self.outcomes, values, strict=True)))

    def add(self, codes: Sequence[int], values: list[float]) -> None:
        """See `Peer`."""
        self.trial = self.client.attach_trial(
            {p.name: p.values[code] for p, code in zip(self.parameters, codes, strict=True)}
        )
        self.tell(values)


def _choice(parameter: Parameter) -> ChoiceParameterConfig:
    kinds = {bool: "bool", int: "int", float: "float", str: "str"}
    return ChoiceParameterConfig(
        name=parameter.name,
        values=list(parameter.values),
        parameter_type=kinds[type(parameter.values[0])],
        is_ordered=parameter.kind == "ordered",
    )
