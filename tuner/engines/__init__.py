"""What is being tuned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuner.engines.transformers_engine import Limits, TransformersEngine, check_model

__all__ = ["Limits", "TransformersEngine", "check_model"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from tuner.engines import transformers_engine

        return getattr(transformers_engine, name)
    raise AttributeError(name)
