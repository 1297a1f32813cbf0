"""The shipped space of vLLM: its arithmetic, and what it does unasked."""

from __future__ import annotations

import numpy as np
import pytest

from tuner.space import load_space

RICH = {
    "gpus": 8, "fp8_hardware": True, "mixture_of_experts": True, "draft_model_available": True,
}  # fmt: skip


@pytest.fixture(scope="module")
def rich():
    return load_space("vllm", pins=RICH)


def test_the_arithmetic_holds_in_every_sample(rich):
    rng = np.random.default_rng(0)
    codes = np.concatenate([rich.sample(1000, rng), rich.sample(1000, rng, uniform=True)])
    for c in rich.decode(rich.mutate(codes, rng)):
        load = rich.arguments(c).load
        parts = [load[f"{k}_parallel_size"] for k in ("tensor", "pipeline", "data")]
        assert load["max_num_batched_tokens"] >= load["max_num_seqs"]
        assert np.prod(parts) <= 8
        assert load["decode_context_parallel_size"] <= load["tensor_parallel_size"]
        if not load["enable_chunked_prefill"]:
            assert load["max_num_batched_tokens"] >= load["max_model_len"]
        shortest = load.get("speculative_config.prompt_lookup_min", 0)
        assert shortest <= load.get("speculative_config.prompt_lookup_max", 0)
        assert load.get("long_prefill_token_threshold", 0) <= load["max_model_len"]


def test_what_only_an_accelerator_does_is_inert_without_one():
    space = load_space("vllm", pins={"accelerator": False})
    names = {p.name for p in space.parameters}
    assert not {"cuda_graphs", "gpu_memory_utilization", "tensor_parallel_size"} & names
    assert "execution" in names


def test_the_default_tells_the_engine_its_own_values(rich):
    load = rich.arguments(rich.default).load
    assert load["gpu_memory_utilization"] == 0.92
    assert load["enable_prefix_caching"] is True
    assert load["compilation_config.cudagraph_mode"] == "FULL_AND_PIECEWISE"
    assert not {"enforce_eager", "quantization", "speculative_config.method"} & set(load)
