"""Optuna's samplers that the tuner is compared with."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import optuna

BASELINES = ("qmc", "tpe", "nsga2", "gp")
MAX_FREE_REPEATS = 20
"""Times in a row that one may ask for what it has, before it gets something random."""


def baseline_sampler(name: str, seed: int, *, deterministic: bool) -> optuna.samplers.BaseSampler:
    """One of `BASELINES`, set as its authors do; `deterministic` says that nothing is noisy."""
    import optuna

    samplers: dict[str, Callable[[], optuna.samplers.BaseSampler]] = {
        "tpe": lambda: optuna.samplers.TPESampler(seed=seed),
        "nsga2": lambda: optuna.samplers.NSGAIISampler(seed=seed),
        "gp": lambda: optuna.samplers.GPSampler(
            seed=seed, deterministic_objective=deterministic, warn_independent_sampling=False
        ),
        "qmc": lambda: optuna.samplers.QMCSampler(
            seed=seed, scramble=True, warn_independent_sampling=False
        ),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return samplers[name]()
