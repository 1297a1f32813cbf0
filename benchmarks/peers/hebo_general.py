"""HEBO's GeneralBO, its optimiser for several objectives, with its defaults.

Ordered parameters are integers, the places of their values in order; categories are categorical.
Told log-scaled objectives, which it only standardises.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from hebo.design_space.design_space import DesignSpace
from hebo.optimizers.general import GeneralBO

from peers.nearest import Nearest
from tuner.space import Table
from tuner.space.contract import Parameter
from tuner.surrogates.objective import Objective

FORGIVEN = 1


def hebo_general(table: Table, objectives: Sequence[Objective], seed: int, budget: int) -> Nearest:
    """A replay strategy."""
    peer = HeboGeneral(table.space.parameters, len(objectives), seed)
    return Nearest(peer, table, objectives, FORGIVEN)


class HeboGeneral:
    """An optimiser of HEBO (see `peers.nearest.Peer`)."""

    def __init__(self, parameters: Sequence[Parameter], objectives: int, seed: int) -> None:
        torch.set_num_threads(1)
        warnings.filterwarnings("ignore")
        self.seed = seed
        space = DesignSpace().parse([_parameter(p) for p in parameters])
        self.names = [p.name for p in parameters]
        self.optimiser = GeneralBO(space, num_obj=objectives)

    def ask(self) -> list[int]:
        """See `Peer`."""
        # It draws from the global generators.
        seed = 1000 * self.seed + len(self.optimiser.y)
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        self.answer = self.optimiser.suggest(1)
        return [int(self.answer[name].iloc[0]) for name in self.names]

    def tell(self, values: list[float]) -> None:
        """See `Peer`."""
        self.optimiser.observe_new_data(self.answer, np.array([values]))

    def add(self, codes: Sequence[int], values: list[float]) -> None:
        """See `Peer`."""
        self.optimiser.observe_new_data(
            pd.DataFrame([codes], columns=self.names), np.array([values])
        )


def _parameter(parameter: Parameter) -> dict[str, object]:
    if parameter.kind == "ordered":
        return {"name": parameter.name, "type": "int", "lb": 0, "ub": len(parameter.values) - 1}
    return {"name": parameter.name, "type": "cat", "categories": list(range(len(parameter.values)))}
