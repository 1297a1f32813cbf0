"""Gaussian processes over a space: what is expected of configurations nobody has measured."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tuner.surrogates.objective import Objective

if TYPE_CHECKING:
    from tuner.surrogates.feasibility import Feasibility
    from tuner.surrogates.gp import ConfigurationGP
    from tuner.surrogates.outcome_transform import OutcomeTransform
    from tuner.surrogates.surrogate import Prediction, Surrogate

__all__ = [
    "ConfigurationGP",
    "Feasibility",
    "Objective",
    "OutcomeTransform",
    "Prediction",
    "Surrogate",
]

_LAZY = {
    "ConfigurationGP": "tuner.surrogates.gp",
    "Feasibility": "tuner.surrogates.feasibility",
    "OutcomeTransform": "tuner.surrogates.outcome_transform",
    "Prediction": "tuner.surrogates.surrogate",
    "Surrogate": "tuner.surrogates.surrogate",
}


def __getattr__(name: str) -> Any:
    """Load what needs torch when it is asked for."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)
