"""What is being tuned."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuner.engines.command import CommandEngine
    from tuner.engines.serving.engine import ServerEngine, ServerLimits
    from tuner.engines.transformers_engine import Limits, TransformersEngine, check_model

__all__ = [
    "CommandEngine",
    "Limits",
    "ServerEngine",
    "ServerLimits",
    "TransformersEngine",
    "check_model",
]

_HOMES = {
    "CommandEngine": "tuner.engines.command",
    "ServerEngine": "tuner.engines.serving.engine",
    "ServerLimits": "tuner.engines.serving.engine",
}


def __getattr__(name: str) -> Any:
    if name in __all__:
        home = _HOMES.get(name, "tuner.engines.transformers_engine")
        return getattr(import_module(home), name)
    raise AttributeError(name)
