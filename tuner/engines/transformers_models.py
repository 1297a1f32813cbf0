"""Loading of models and tokenizers in the child."""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from tuner.engines.model_source import model_location


@dataclass(frozen=True)
class LoadedModel:
    """A model with its tokenizer.

    Attributes:
        name: as it was asked for.
        location: the path or id that it was loaded from.
        model: on its device, in evaluation mode.
        tokenizer: pads on the left.
        checkpoint: the generation settings that came with the weights.
        n_bytes: memory of parameters and buffers.
        load_s: how long loading took.

    """

    name: str
    location: str
    model: Any
    tokenizer: Any
    checkpoint: GenerationConfig
    n_bytes: int
    load_s: float

    @property
    def dtype(self) -> str:
        """Of the weights, as torch calls it: `bfloat16`."""
        return str(self.model.dtype).removeprefix("torch.")

    @property
    def attn_implementation(self) -> str:
        """As transformers calls it: `sdpa`."""
        return str(self.model.config._attn_implementation)

    def gpus(self) -> tuple[str, ...]:
        """UUIDs, as NVML writes them, of the GPUs that hold a part of the model."""
        devices = {p.device for p in self.model.parameters() if p.device.type == "cuda"}
        properties = (torch.cuda.get_device_properties(device) for device in devices)
        return tuple(sorted(f"GPU-{gpu.uuid}" for gpu in properties))


def load_model(load: Mapping[str, Any], device: str, trust_remote_code: bool) -> LoadedModel:
    """Load a model as `from_pretrained` is told by `load`: `model`, `dtype`, and so on."""
    began = time.perf_counter()
    arguments = dict(load)
    name = str(arguments.pop("model"))
    location = model_location(name)
    model = AutoModelForCausalLM.from_pretrained(
        location, trust_remote_code=trust_remote_code, **arguments
    )
    if "device_map" not in arguments:
        model.to(device)
    model.eval()
    tokenizer = AutoTokenizer.from_pretrained(location, trust_remote_code=trust_remote_code)
    tokenizer.padding_side = "left"
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return LoadedModel(
        name=name,
        location=location,
        model=model,
        tokenizer=tokenizer,
        checkpoint=copy.deepcopy(model.generation_config),
        n_bytes=sum(t.nbytes for t in (*model.parameters(), *model.buffers())),
        load_s=time.perf_counter() - began,
    )
