"""Find how to run a language model with less energy without making it slow or wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuner.advice import Recommendation, Result
    from tuner.advice.loading import load
    from tuner.api import Tuner, tune
    from tuner.errors import UserError

__all__ = ["Recommendation", "Result", "Tuner", "UserError", "load", "tune"]

_HOMES = {
    "Recommendation": "tuner.advice",
    "Result": "tuner.advice",
    "Tuner": "tuner.api",
    "UserError": "tuner.errors",
    "load": "tuner.advice.loading",
    "tune": "tuner.api",
}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used, so that `import tuner` costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
