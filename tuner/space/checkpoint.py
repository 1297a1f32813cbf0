"""What a checkpoint fixes: pins for the features of role `context` that describe the model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuner.features import FeatureModel
from tuner.space.configuration import Value

_EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts")


def checkpoint_pins(model: FeatureModel, folder: Path) -> dict[str, Value]:
    """Pins for what the files of a checkpoint say about it.

    Only features that the model has are pinned, by the names that the shipped models give them:
    `checkpoint_dtype`, `head_parts`, `layers`, `trained_context` (each the largest value of its
    domain that is no larger than the checkpoint's), `mixture_of_experts`, `latent_attention` and
    `samples_by_itself`. What `config.json` and `generation_config.json` do not say is left out.
    """
    config = _read(folder / "config.json")
    text = config.get("text_config")
    config = {**config, **(text if isinstance(text, dict) else {})}
    if not config:
        return {}
    found: dict[str, Value] = {
        "mixture_of_experts": any((config.get(name) or 0) > 1 for name in _EXPERTS),
        "latent_attention": bool(config.get("kv_lora_rank")),
        "samples_by_itself": _read(folder / "generation_config.json").get("do_sample") is True,
    }
    numbers = {
        "head_parts": _power_of_two_in(config.get("num_attention_heads")),
        "layers": config.get("num_hidden_layers"),
        "trained_context": config.get("max_position_embeddings"),
    }
    for name, number in numbers.items():
        if name in model.features and isinstance(number, int):
            values = [int(value) for value in model.features[name].domain]
            found[name] = max((v for v in values if v <= number), default=min(values))
    dtype = str(config.get("dtype") or config.get("torch_dtype") or "")
    known = model.features.get("checkpoint_dtype")
    if known is not None and dtype in known.domain:
        found["checkpoint_dtype"] = dtype
    return {name: value for name, value in found.items() if name in model.features}


def _power_of_two_in(number: Any) -> int | None:
    """The largest power of two that divides it: parts that all have the same number of heads."""
    return number & -number if isinstance(number, int) and number > 0 else None


def _read(path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
