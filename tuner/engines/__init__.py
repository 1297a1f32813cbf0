"""The engines that can be tuned: one backend for each, and what drives them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuner.engines.backend import Backend, EnginePolicy, ExportedFile, Installation
    from tuner.engines.command import CommandEngine
    from tuner.engines.model_source import check_model
    from tuner.engines.registry import choose_backend
    from tuner.engines.serving.flavor import ServerFlavor
    from tuner.engines.serving.flavors import register_server
    from tuner.engines.serving.server_engine import ServerEngine, ServerLimits
    from tuner.engines.transformers_engine import TransformersEngine
    from tuner.engines.worker import WorkerLimits

_HOMES = {
    "Backend": "backend",
    "CommandEngine": "command",
    "EnginePolicy": "backend",
    "ExportedFile": "backend",
    "Installation": "backend",
    "ServerEngine": "serving.server_engine",
    "ServerFlavor": "serving.flavor",
    "ServerLimits": "serving.server_engine",
    "TransformersEngine": "transformers_engine",
    "WorkerLimits": "worker",
    "check_model": "model_source",
    "choose_backend": "registry",
    "register_server": "serving.flavors",
}

__all__ = [
    "Backend",
    "CommandEngine",
    "EnginePolicy",
    "ExportedFile",
    "Installation",
    "ServerEngine",
    "ServerFlavor",
    "ServerLimits",
    "TransformersEngine",
    "WorkerLimits",
    "check_model",
    "choose_backend",
    "register_server",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"tuner.engines.{_HOMES[name]}"), name)
    raise AttributeError(name)
