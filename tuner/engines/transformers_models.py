"""Loading of models and tokenizers in the child."""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig


@dataclass(frozen=True)
class LoadedModel:
    """A model with its tokenizer.

    Attributes:
        name: as it was asked for.
        model: on its device, in evaluation mode.
        tokenizer: pads on the left.
        checkpoint: the generation settings that came with the weights.
        n_bytes: memory of parameters and buffers.
        load_s: how long loading took.

    """

    name: str
    model: Any
    tokenizer: Any
    checkpoint: GenerationConfig
    n_bytes: int
    load_s: float

    def facts(self) -> dict[str, Any]:
        """What is in force, for the record."""
        return {
            "model": self.name,
            "parameters": self.model.num_parameters(),
            "dtype": str(self.model.dtype).removeprefix("torch."),
            "attn_implementation": self.model.config._attn_implementation,
            "gpus": self._gpus(),
            "load_s": round(self.load_s, 3),
        }

    def _gpus(self) -> list[str]:
        """UUIDs, as NVML writes them, of the GPUs that hold a part of the model."""
        places = {p.device for p in self.model.parameters() if p.device.type == "cuda"}
        properties = (torch.cuda.get_device_properties(place) for place in places)
        return sorted(f"GPU-{gpu.uuid}" for gpu in properties)


def load_model(load: Mapping[str, Any], device: str, trust_remote_code: bool) -> LoadedModel:
    """Load a model as `from_pretrained` is told by `load`: `model`, `dtype`, and so on."""
    began = time.perf_counter()
    arguments = dict(load)
    name = str(arguments.pop("model"))
    place = _place(name)
    model = AutoModelForCausalLM.from_pretrained(
        place, trust_remote_code=trust_remote_code, **arguments
    )
    if "device_map" not in arguments:
        model.to(device)
    model.eval()
    tokenizer = AutoTokenizer.from_pretrained(place, trust_remote_code=trust_remote_code)
    tokenizer.padding_side = "left"
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return LoadedModel(
        name=name,
        model=model,
        tokenizer=tokenizer,
        checkpoint=copy.deepcopy(model.generation_config),
        n_bytes=sum(t.nbytes for t in (*model.parameters(), *model.buffers())),
        load_s=time.perf_counter() - began,
    )


def _place(name: str) -> str:
    if name.startswith("builtin:"):
        from tuner.models import model_path

        return str(model_path(name))
    return os.path.expanduser(name)
