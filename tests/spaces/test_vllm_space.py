"""The shipped space of vLLM: its arithmetic, and both sides of every rule."""

from __future__ import annotations

import numpy as np
import pytest

from tuner.errors import UserError
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


RULES = [
    ({}, {"max_num_seqs": 1024, "max_num_batched_tokens": 512},
     {"max_num_seqs": 512, "max_num_batched_tokens": 512}),
    ({}, {"chunked_prefill": "PrefillAtOnce", "max_num_batched_tokens": 2048},
     {"chunked_prefill": "PrefillAtOnce", "max_num_batched_tokens": 4096}),
    ({"max_model_len": 1024}, {"long_prefill_token_threshold": 4096},
     {"long_prefill_token_threshold": 1024}),
    ({"gpus": 4}, {"tensor_parallel_size": 4, "pipeline_parallel_size": 2},
     {"tensor_parallel_size": 2, "pipeline_parallel_size": 2}),
    ({"gpus": 4, "head_parts": 2}, {"tensor_parallel_size": 4}, {"tensor_parallel_size": 2}),
    ({"gpus": 4}, {"decode_context_parallel_size": 4, "tensor_parallel_size": 2},
     {"decode_context_parallel_size": 2, "tensor_parallel_size": 4}),
    ({"gpus": 4, "mixture_of_experts": True}, {"ExpertParallel": True, "tensor_parallel_size": 1,
      "data_parallel_size": 1}, {"ExpertParallel": True, "data_parallel_size": 2}),
    ({"gpus": 4}, {"ExpertParallel": True}, {"tensor_parallel_size": 2}),
    ({"gpus": 4}, {"speculation": "Ngram", "pipeline_parallel_size": 2},
     {"speculation": "Ngram", "pipeline_parallel_size": 1}),
    ({}, {"speculation": "DraftModel"}, {"speculation": "Ngram"}),
    ({}, {"prompt_lookup_min": 4, "prompt_lookup_max": 3},
     {"prompt_lookup_min": 3, "prompt_lookup_max": 3}),
    ({}, {"kv_cache_dtype": "KvFp8E4M3"}, {"execution": "Eager"}),
    ({}, {"OnlineFp8": True}, {"execution": "Compiled"}),
    ({}, {"dtype": "bfloat16"}, {"dtype": "float16"}),
    ({"checkpoint_dtype": "float32"}, {"dtype": "float16"}, {"dtype": "bfloat16"}),
]  # fmt: skip


@pytest.mark.parametrize(("pins", "refused", "accepted"), RULES)
def test_one_side_of_every_rule_is_taken_and_one_refused(pins, refused, accepted):
    space = load_space("vllm", pins=pins)
    found = space.configuration(accepted)
    assert {name: found[name] for name in accepted} == accepted
    with pytest.raises(UserError):
        space.configuration(refused)


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


def test_every_parameter_restarts_the_server(rich):
    assert all(p.restart for p in rich.parameters)
