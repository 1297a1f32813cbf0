"""SMAC's facade for hyperparameters (random forests) with ParEGO for several objectives.

Ordered parameters are ordinal, categories categorical. It alone can be told constraints: pairs of
values that stand together in no row are forbidden clauses, except where fewer than one in twenty
of all combinations is a row: it draws until nothing forbids, which then takes minutes. Told
log-scaled objectives, which it scales to [0, 1] by the ones seen before it combines them.
"""

from __future__ import annotations

import math
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path

import ConfigSpace
import numpy as np
from smac import HyperparameterOptimizationFacade, Scenario
from smac.multi_objective.parego import ParEGO
from smac.runhistory.dataclasses import TrialInfo, TrialValue

from peers.nearest import Nearest
from tuner.space import Table
from tuner.space.contract import Parameter
from tuner.surrogates.objective import Objective

FORGIVEN = 20
DENSE = 0.05
"""Share of all combinations that rows have to be for forbidden clauses to be of use."""


def smac_parego(table: Table, objectives: Sequence[Objective], seed: int, budget: int) -> Nearest:
    """A replay strategy."""
    peer = SmacParego(table, len(objectives), seed, budget)
    return Nearest(peer, table, objectives, FORGIVEN)


class SmacParego:
    """An optimiser of SMAC (see `peers.nearest.Peer`)."""

    def __init__(self, table: Table, objectives: int, seed: int, budget: int) -> None:
        warnings.filterwarnings("ignore")
        parameters = table.space.parameters
        self.names = [p.name for p in parameters]
        self.space = ConfigSpace.ConfigurationSpace(seed=seed)
        default = table.space.default  # has to be allowed by the clauses
        self.space.add([_hyperparameter(p, default.get(p.name)) for p in parameters])
        if len(table.space) >= DENSE * math.prod(len(p.values) for p in parameters):
            self.space.add(list(_forbidden(self.space, parameters, table.space.rows_)))
        self.folder = tempfile.TemporaryDirectory()
        scenario = Scenario(
            self.space,
            objectives=[f"objective{j}" for j in range(objectives)],
            deterministic=True,
            n_trials=budget,
            seed=seed,
            output_directory=Path(self.folder.name),
        )
        facade = HyperparameterOptimizationFacade
        self.smac = facade(
            scenario,
            _asked_instead,
            # With the 16 retries that it has by default it often ends in spaces of 100 rows.
            config_selector=facade.get_config_selector(scenario, retries=10_000),
            multi_objective_algorithm=ParEGO(scenario),
            logging_level=False,
        )

    def ask(self) -> list[int]:
        """See `Peer`."""
        self.trial = self.smac.ask()
        return [int(self.trial.config[name]) for name in self.names]

    def tell(self, values: list[float]) -> None:
        """See `Peer`."""
        self.smac.tell(self.trial, TrialValue(cost=values), save=False)

    def add(self, codes: Sequence[int], values: list[float]) -> None:
        """See `Peer`."""
        config = ConfigSpace.Configuration(self.space, dict(zip(self.names, codes, strict=True)))
        self.trial = TrialInfo(config=config, seed=self.trial.seed)
        self.tell(values)


def _asked_instead(config: ConfigSpace.Configuration, seed: int = 0) -> list[float]:
    raise NotImplementedError("SMAC is asked and told")


def _hyperparameter(
    parameter: Parameter, value: object
) -> ConfigSpace.hyperparameters.Hyperparameter:
    codes = list(range(len(parameter.values)))
    default = parameter.values.index(value)
    if parameter.kind == "ordered":
        return ConfigSpace.OrdinalHyperparameter(parameter.name, codes, default_value=default)
    return ConfigSpace.CategoricalHyperparameter(parameter.name, codes, default_value=default)


def _forbidden(
    space: ConfigSpace.ConfigurationSpace, parameters: Sequence[Parameter], rows: np.ndarray
) -> Iterator[ConfigSpace.ForbiddenAndConjunction]:
    """The pairs of values that are in no row together."""
    for i, j in combinations(range(len(parameters)), 2):
        together = np.zeros((len(parameters[i].values), len(parameters[j].values)), dtype=bool)
        together[rows[:, i], rows[:, j]] = True
        for one, other in zip(*np.nonzero(~together), strict=True):
            yield ConfigSpace.ForbiddenAndConjunction(
                ConfigSpace.ForbiddenEqualsClause(space[parameters[i].name], int(one)),
                ConfigSpace.ForbiddenEqualsClause(space[parameters[j].name], int(other)),
            )
