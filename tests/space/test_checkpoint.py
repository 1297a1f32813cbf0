"""What a checkpoint's files and the machine's GPUs fix."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tuner.builtin_models import model_path
from tuner.space import SearchSpace, checkpoint_pins, environment_pins, load_model, shipped_spaces

CONFIG = {
    "dtype": "bfloat16",
    "num_attention_heads": 12,
    "num_hidden_layers": 35,
    "max_position_embeddings": 40960,
}


@pytest.fixture
def folder(tmp_path):
    def write(config=CONFIG, generation=None):
        (tmp_path / "config.json").write_text(json.dumps(config))
        (tmp_path / "generation_config.json").write_text(json.dumps(generation or {}))
        return tmp_path

    return write


def test_numbers_are_the_largest_that_fit(folder):
    assert checkpoint_pins(load_model("llama_cpp"), folder()) == {
        "mixture_of_experts": False,
        "latent_attention": False,
        "layers": 32,
        "trained_context": 32768,
    }
    pins = checkpoint_pins(load_model("vllm"), folder())
    assert (pins["head_parts"], pins["checkpoint_dtype"]) == (4, "bfloat16")


@pytest.mark.parametrize(
    ("config", "generation", "space", "pin"),
    [
        ({**CONFIG, "num_local_experts": 8}, {}, "vllm", {"mixture_of_experts": True}),
        ({**CONFIG, "kv_lora_rank": 512}, {}, "llama_cpp", {"latent_attention": True}),
        (CONFIG, {"do_sample": True}, "transformers_serve", {"samples_by_itself": True}),
        ({"text_config": CONFIG}, {}, "llama_cpp", {"layers": 32}),
        ({"torch_dtype": "float16"}, {}, "sglang", {"checkpoint_dtype": "float16"}),
    ],
)
def test_what_the_files_say(folder, config, generation, space, pin):
    assert pin.items() <= checkpoint_pins(load_model(space), folder(config, generation)).items()


def test_what_is_not_there_or_not_known_is_left_out(folder):
    assert checkpoint_pins(load_model("vllm"), Path("no-such-folder")) == {}
    pins = checkpoint_pins(load_model("vllm"), folder({"dtype": "float8_e4m3fn"}))
    assert not {"checkpoint_dtype", "head_parts"} & set(pins)


@pytest.mark.parametrize("name", sorted(shipped_spaces()))
def test_every_shipped_space_takes_the_pins_of_machine_and_built_in_model(name):
    model = load_model(name)
    pins = environment_pins(model) | checkpoint_pins(model, model_path("builtin:large"))
    assert SearchSpace.from_model(model, pins=pins).size > 1


@pytest.mark.parametrize(
    ("capability", "fp8", "flash_attention_3", "tensorrt"),
    [
        ((8, 0), False, True, False),
        ((8, 9), True, True, False),
        ((9, 0), True, True, True),
        ((10, 0), True, False, True),
    ],
)
def test_kinds_of_gpus(monkeypatch, capability, fp8, flash_attention_3, tensorrt):
    import torch

    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda i: [(12, 0), capability][i])
    pins = environment_pins(load_model("sglang"))
    assert pins["accelerator"] is True
    assert pins["gpus"] == 2
    assert pins["fp8_hardware"] is fp8
    assert pins["flash_attention_3_hardware"] is flash_attention_3
    assert pins["tensorrt_hardware"] is tensorrt
