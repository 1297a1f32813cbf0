"""Finding the front with few measurements: design, acquisition, the Optuna sampler, the stop."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tuner.search.acquisition_registry import ACQUISITIONS, AcquisitionFactory
from tuner.search.pareto import hypervolume, hypervolume_share, non_dominated
from tuner.search.stopping import StopRule, StopStatus
from tuner.surrogates.objective import Objective
from tuner.surrogates.service_level import (
    ServiceLevel,
    check_limits,
    goodput_bounds,
    limits_of,
    parse_levels,
)

if TYPE_CHECKING:
    from tuner.search.dataset import Dataset, Observation
    from tuner.search.design import design_size, initial_design
    from tuner.search.sampler import ParetoSampler

__all__ = [
    "ACQUISITIONS",
    "AcquisitionFactory",
    "Dataset",
    "Objective",
    "Observation",
    "ParetoSampler",
    "ServiceLevel",
    "StopRule",
    "StopStatus",
    "check_limits",
    "design_size",
    "goodput_bounds",
    "hypervolume",
    "hypervolume_share",
    "initial_design",
    "limits_of",
    "non_dominated",
    "parse_levels",
]

_LAZY = {
    "Dataset": "tuner.search.dataset",
    "Observation": "tuner.search.dataset",
    "ParetoSampler": "tuner.search.sampler",
    "design_size": "tuner.search.design",
    "initial_design": "tuner.search.design",
}


def __getattr__(name: str) -> Any:
    """Load what needs torch or Optuna when it is asked for."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)
