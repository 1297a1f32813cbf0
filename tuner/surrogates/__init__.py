"""Gaussian processes over a space: what is expected of configurations nobody has measured."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tuner.surrogates.objective import Objective

if TYPE_CHECKING:
    from tuner.surrogates._outcome import Outcome
    from tuner.surrogates.feasibility import Feasibility
    from tuner.surrogates.surrogate import Prediction, Surrogate

__all__ = ["Feasibility", "Objective", "Outcome", "Prediction", "Surrogate"]

_LAZY = {
    "Feasibility": "tuner.surrogates.feasibility",
    "Outcome": "tuner.surrogates._outcome",
    "Prediction": "tuner.surrogates.surrogate",
    "Surrogate": "tuner.surrogates.surrogate",
}


def __getattr__(name: str) -> Any:
    """Load what needs torch when it is asked for."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)
