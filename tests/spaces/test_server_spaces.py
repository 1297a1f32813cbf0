"""The shipped spaces of servers: both sides of every rule, and nothing refused but by that rule."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tuner.errors import UserError
from tuner.space import SearchSpace, load_model, load_space

CB = {"batching": "ContinuousBatching"}
GPU = {"accelerator": True}
GPUS = {"gpus": 4}
DRAFT_HEAD = {"draft_head_available": True}

# For each rule how the file writes it, pins, and values on its wrong and on its right side.
RULES = {
    "transformers_serve": [
        ("dtype == 'float32' => checkpoint_dtype != 'float32'",
         {}, {"dtype": "float32"}, {"dtype": "bfloat16"}),
        ("dtype == 'bfloat16' => checkpoint_dtype != 'bfloat16'",
         {"checkpoint_dtype": "bfloat16"}, {"dtype": "bfloat16"}, {"dtype": "float32"}),
        ("dtype == 'float16' => accelerator & checkpoint_dtype != 'float16'",
         {}, {"dtype": "float16"}, {"dtype": "bfloat16"}),
        ("FlashAttention => accelerator & flash_attn_installed",
         GPU, {"attention": "FlashAttention", "dtype": "bfloat16"}, {"dtype": "bfloat16"}),
        ("FlashAttention => dtype == 'bfloat16' | dtype == 'float16' | dtype == 'auto' & "
         "checkpoint_dtype != 'float32'",
         {**GPU, "flash_attn_installed": True}, {"attention": "FlashAttention", "dtype": "auto"},
         {"attention": "FlashAttention", "dtype": "float16"}),
        ("Weights8bit | Weights4bit => bitsandbytes_installed",
         {}, {"weights": "Weights4bit"}, {"dtype": "bfloat16"}),
        ("ContinuousBatching => !FlexAttention",
         {}, {**CB, "attention": "FlexAttention"}, {**CB, "attention": "EagerAttention"}),
        ("FlexAttention => !Compile",
         {}, {"attention": "FlexAttention", "Compile": True},
         {"attention": "EagerAttention", "Compile": True}),
        ("cb_num_blocks => cb_num_blocks * cb_block_size >= longest_request",
         {"longest_request": 1024}, {"cb_num_blocks": 16, "cb_block_size": 32},
         {"cb_num_blocks": 16, "cb_block_size": 64}),
        ("cb_num_blocks => cb_num_blocks * cb_block_size <= 64 * longest_request",
         {"longest_request": 256}, {"cb_num_blocks": 64, "cb_block_size": 512},
         {"cb_num_blocks": 64, "cb_block_size": 256}),
        ("ContinuousBatching & !accelerator => cb_num_blocks",
         {}, {**CB, "cache_size": "CacheUnasked"}, {**CB, "cb_num_blocks": 32}),
        ("cb_num_blocks & !accelerator => cb_max_batch_tokens * (cb_max_batch_tokens + "
         "cb_num_blocks * cb_block_size) <= 268435456",
         {}, {"cb_max_batch_tokens": 8192, "cb_num_blocks": 128, "cb_block_size": 256},
         {"cb_max_batch_tokens": 4096, "cb_num_blocks": 128, "cb_block_size": 256}),
        ("ContinuousBatching & accelerator & flash_attn_installed => cb_block_size >= 256",
         {**GPU, "flash_attn_installed": True}, {**CB, "cb_block_size": 128},
         {**CB, "cb_block_size": 512}),
        ("Greedy => samples_by_itself",
         {}, {"token_choice": "Greedy"}, {"token_choice": "Sampling"}),
        ("PromptLookup => !NoCache",
         {}, {"search": "PromptLookup", "cache": "NoCache"}, {"search": "PromptLookup"}),
        ("PromptLookup => !Compile",
         {}, {"search": "PromptLookup", "Compile": True},
         {"search": "PromptLookup", "Compile": False}),
        ("prefill_chunk_size => !NoCache",
         {}, {"prefill_chunk_size": 64, "cache": "NoCache"}, {"prefill_chunk_size": 64}),
        ("OffloadedCache => accelerator", {}, {"cache": "OffloadedCache"}, {"cache": "NoCache"}),
        ("top_k > 50 => !(model == 'builtin:small' | model == 'builtin:base' | "
         "model == 'builtin:large')",
         {}, {"top_k": 1000}, {"top_k": 50}),
    ],
    "vllm": [
        ("max_num_batched_tokens >= max_num_seqs",
         {}, {"max_num_seqs": 1024, "max_num_batched_tokens": 512},
         {"max_num_seqs": 512, "max_num_batched_tokens": 512}),
        ("PrefillAtOnce => max_num_batched_tokens >= max_model_len",
         {}, {"chunked_prefill": "PrefillAtOnce", "max_num_batched_tokens": 2048},
         {"chunked_prefill": "PrefillAtOnce", "max_num_batched_tokens": 4096}),
        ("!(long_prefill_token_threshold > max_model_len)",
         {"max_model_len": 1024}, {"long_prefill_token_threshold": 4096},
         {"long_prefill_token_threshold": 1024}),
        ("accelerator => tensor_parallel_size * pipeline_parallel_size * "
         "data_parallel_size <= gpus",
         GPUS, {"tensor_parallel_size": 4, "pipeline_parallel_size": 2},
         {"tensor_parallel_size": 2, "pipeline_parallel_size": 2}),
        ("!accelerator => tensor_parallel_size * pipeline_parallel_size * data_parallel_size == 1",
         {"accelerator": False, "gpus": 2}, {"data_parallel_size": 2}, {"execution": "Eager"}),
        ("tensor_parallel_size <= head_parts",
         {**GPUS, "head_parts": 2}, {"tensor_parallel_size": 4}, {"tensor_parallel_size": 2}),
        ("decode_context_parallel_size <= tensor_parallel_size",
         GPUS, {"decode_context_parallel_size": 4, "tensor_parallel_size": 2},
         {"decode_context_parallel_size": 2, "tensor_parallel_size": 4}),
        ("ExpertParallel => mixture_of_experts & tensor_parallel_size * data_parallel_size > 1",
         {**GPUS, "mixture_of_experts": True},
         {"ExpertParallel": True, "tensor_parallel_size": 1, "data_parallel_size": 1},
         {"ExpertParallel": True, "data_parallel_size": 2}),
        ("Ngram | DraftModel => pipeline_parallel_size == 1",
         GPUS, {"speculation": "Ngram", "pipeline_parallel_size": 2},
         {"speculation": "Ngram", "pipeline_parallel_size": 1}),
        ("DraftModel => draft_model_available",
         {}, {"speculation": "DraftModel"}, {"speculation": "Ngram"}),
        ("Ngram => prompt_lookup_min <= prompt_lookup_max",
         {}, {"prompt_lookup_min": 4, "prompt_lookup_max": 3},
         {"prompt_lookup_min": 3, "prompt_lookup_max": 3}),
        ("OnlineFp8 => accelerator & fp8_hardware",
         {}, {"OnlineFp8": True}, {"execution": "Compiled"}),
        ("KvFp8E4M3 | KvFp8E5M2 | KvFp8PerHead => accelerator & fp8_hardware",
         {}, {"kv_cache_dtype": "KvFp8E4M3"}, {"kv_cache_dtype": "KvInt8PerHead"}),
        ("KvInt8PerHead => accelerator",
         {"accelerator": False}, {"kv_cache_dtype": "KvInt8PerHead"}, {"execution": "Eager"}),
        ("min_p > 0 => NoSpeculation",
         {}, {"token_choice": "Sampling", "min_p": 0.1, "speculation": "Ngram"},
         {"token_choice": "Sampling", "min_p": 0.1}),
        ("block_size == 16 => accelerator",
         {"accelerator": False}, {"block_size": 16}, {"block_size": 32}),
        ("dtype == 'bfloat16' => checkpoint_dtype != 'bfloat16'",
         {}, {"dtype": "bfloat16"}, {"dtype": "float16"}),
        ("dtype == 'float16' => checkpoint_dtype == 'bfloat16'",
         {"checkpoint_dtype": "float32"}, {"dtype": "float16"}, {"dtype": "bfloat16"}),
    ],
    "sglang": [
        ("chunked_prefill_size => chunked_prefill_size >= page_size",
         {}, None, {"chunked_prefill_size": 512, "page_size": 128}),
        ("context_length => context_length >= longest_request",
         {"context_length": True}, None, {"page_size": 16}),
        ("accelerator => tp_size * pp_size * dp_size <= gpus",
         GPUS, {"tp_size": 4, "dp_size": 2}, {"tp_size": 2, "dp_size": 2}),
        ("!accelerator => tp_size * pp_size * dp_size == 1",
         {"accelerator": False, "gpus": 2}, {"dp_size": 2}, {"page_size": 16}),
        ("tp_size <= head_parts", {**GPUS, "head_parts": 2}, {"tp_size": 4}, {"tp_size": 2}),
        ("ep_size <= tp_size",
         {**GPUS, "mixture_of_experts": True}, {"ep_size": 4, "tp_size": 2},
         {"ep_size": 2, "tp_size": 2}),
        ("ep_size > 1 => mixture_of_experts", GPUS, {"ep_size": 2, "tp_size": 2}, {"tp_size": 2}),
        ("pp_size > 1 => NoSpeculation",
         GPUS, {"pp_size": 2, "speculation": "Ngram"}, {"pp_size": 1, "speculation": "Ngram"}),
        ("HierarchicalCache => accelerator",
         {"accelerator": False}, {"HierarchicalCache": True}, {"prefix_cache": "PrefixesKept"}),
        ("LongestPrefix | PrefixTree => PrefixesKept",
         {}, {"schedule_policy": "LongestPrefix", "prefix_cache": "PrefixesDropped"},
         {"schedule_policy": "LongestOutput", "prefix_cache": "PrefixesDropped"}),
        ("KvFp8E4M3 | KvFp8E5M2 => accelerator & fp8_hardware",
         {}, {"kv_cache_dtype": "KvFp8E5M2"}, {"attention": "FlashInfer"}),
        ("FlashAttention3 => !KvFp8E5M2",
         {"fp8_hardware": True, "flash_attention_3_hardware": True},
         {"attention": "FlashAttention3", "kv_cache_dtype": "KvFp8E5M2"},
         {"attention": "FlashAttention3", "kv_cache_dtype": "KvFp8E4M3"}),
        ("OnlineFp8 => accelerator & fp8_hardware", {}, {"OnlineFp8": True}, {"page_size": 16}),
        ("FlashAttention3 => accelerator & flash_attention_3_hardware",
         {}, {"attention": "FlashAttention3"}, {"attention": "Triton"}),
        ("TensorRT => accelerator & tensorrt_hardware",
         {}, {"attention": "TensorRT", "page_size": 64}, {"attention": "Triton"}),
        ("TensorRT => page_size >= 16",
         {"tensorrt_hardware": True}, {"attention": "TensorRT", "page_size": 1},
         {"attention": "TensorRT", "page_size": 16}),
        ("FlashInfer | Triton => accelerator",
         {"accelerator": False}, {"attention": "Triton"}, {"attention": "TorchNative"}),
        ("FlexAttention => NoSpeculation",
         {}, {"attention": "FlexAttention", "speculation": "Ngram"},
         {"attention": "TorchNative", "speculation": "Ngram"}),
        ("TorchCompile => !NoGraphPadding",
         {}, {"TorchCompile": True, "NoGraphPadding": True},
         {"TorchCompile": True, "NoGraphPadding": False}),
        ("Ngram & ngram_breadth > 1 & page_size > 1 => FlashInfer",
         {}, {"ngram_breadth": 2, "page_size": 16, "attention": "Triton"},
         {"ngram_breadth": 1, "page_size": 16, "attention": "Triton"}),
        ("SeveralBranches & page_size > 1 => FlashInfer | FlashAttention3 | Triton",
         DRAFT_HEAD, {"branches": "SeveralBranches", "page_size": 16, "attention": "TorchNative"},
         {"branches": "SeveralBranches", "page_size": 16, "attention": "Triton"}),
        ("Standalone => draft_model_available & accelerator",
         {}, {"speculation": "Standalone"}, {"speculation": "Ngram"}),
        ("Eagle3 => draft_head_available & accelerator",
         {"draft_model_available": True}, {"speculation": "Eagle3"},
         {"speculation": "Standalone"}),
        ("SeveralBranches => eagle_draft_tokens <= 1 + eagle_topk + (eagle_steps - 1) * "
         "eagle_topk * eagle_topk",
         DRAFT_HEAD, {"eagle_draft_tokens": 8, "eagle_topk": 2, "eagle_steps": 1},
         {"eagle_draft_tokens": 4, "eagle_topk": 4, "eagle_steps": 1}),
        ("dtype == 'bfloat16' => checkpoint_dtype != 'bfloat16'",
         {}, {"dtype": "bfloat16"}, {"dtype": "float16"}),
        ("dtype == 'float16' => checkpoint_dtype == 'bfloat16'",
         {"checkpoint_dtype": "float32"}, {"dtype": "float16"}, {"dtype": "bfloat16"}),
    ],
    "llama_cpp": [
        ("threads => threads <= cpus", {"cpus": 4}, {"threads": 6}, {"threads": 4}),
        ("threads_batch => threads_batch <= cpus",
         {"cpus": 4}, {"threads_batch": 6}, {"threads_batch": 4}),
        ("ubatch_size <= batch_size",
         {}, {"ubatch_size": 1024, "batch_size": 512}, {"ubatch_size": 512, "batch_size": 512}),
        ("ctx_size => batch_size <= ctx_size",
         {}, {"ctx_size": 2048, "batch_size": 4096}, {"ctx_size": 4096, "batch_size": 4096}),
        ("ctx_size => ctx_size >= longest_request",
         {"longest_request": 4096}, {"ctx_size": 2048}, {"ctx_size": 4096}),
        ("ctx_size & DividedCache => ctx_size >= longest_request * parallel",
         {}, {"ctx_size": 4096, "cache_layout": "DividedCache", "parallel": 4},
         {"ctx_size": 8192, "cache_layout": "DividedCache", "parallel": 4}),
        ("ContextOfModel & DividedCache => trained_context >= longest_request * parallel",
         {}, {"context": "ContextOfModel", "cache_layout": "DividedCache", "parallel": 32},
         {"context": "ContextOfModel", "cache_layout": "DividedCache", "parallel": 16}),
        ("ctx_size => ctx_size <= trained_context * parallel",
         {}, {"ctx_size": 65536, "parallel": 1}, {"ctx_size": 65536, "parallel": 2}),
        ("flash_attn == 'off' => cache_type_v == 'f16' | cache_type_v == 'bf16' | "
         "cache_type_v == 'f32'",
         {}, {"flash_attn": "off", "cache_type_v": "q8_0"},
         {"flash_attn": "auto", "cache_type_v": "q8_0"}),
        ("SplitByTensor => flash_attn != 'off'",
         {**GPU, "gpus": 2}, {"split": "SplitByTensor", "flash_attn": "off"},
         {"split": "SplitByTensor", "flash_attn": "on"}),
        ("latent_attention => cache_type_k == 'f16' & cache_type_v == 'f16' | "
         "cache_type_k == 'bf16' & cache_type_v == 'bf16' | "
         "cache_type_k == 'f32' & cache_type_v == 'f32' | "
         "cache_type_k == 'q8_0' & cache_type_v == 'q8_0' | "
         "cache_type_k == 'q4_0' & cache_type_v == 'q4_0'",
         {"latent_attention": True}, {"cache_type_k": "q8_0", "cache_type_v": "f16"},
         {"cache_type_k": "q8_0", "cache_type_v": "q8_0"}),
        ("gpu_layers => gpu_layers < layers",
         {**GPU, "layers": 24}, {"gpu_layers": 24}, {"gpu_layers": 20}),
        ("n_cpu_moe => mixture_of_experts & n_cpu_moe <= layers",
         {**GPU, "mixture_of_experts": True}, {"n_cpu_moe": 48}, {"n_cpu_moe": 32}),
        ("DraftModel => draft_model_available",
         {}, {"speculation": "DraftModel"}, {"speculation": "NgramMap"}),
        ("NgramShared => shared_least <= shared_most",
         {}, {"shared_least": 48, "shared_most": 32}, {"shared_least": 32, "shared_most": 32}),
    ],
}  # fmt: skip

CASES = [(name, *rule) for name, rules in RULES.items() for rule in rules]


def has(space, values):
    """Whether a configuration with exactly these values is valid."""
    try:
        found = space.configuration(values)
    except UserError:
        return False
    told = space.selection(found)
    return all(found.get(name, told.get(name)) == value for name, value in values.items())


@pytest.mark.parametrize("name", RULES)
def test_every_rule_is_tested(name):
    assert [c.text for c in load_model(name).all_constraints] == [rule[0] for rule in RULES[name]]


@pytest.mark.parametrize(("name", "text", "pins", "refused", "accepted"), CASES)
def test_each_rule_takes_one_side_and_refuses_the_other(name, text, pins, refused, accepted):
    model = load_model(name)
    space = SearchSpace.from_model(model, pins=pins)
    assert has(space, accepted)
    if refused is None:
        return
    assert not has(space, refused)
    others = tuple(c for c in model.constraints if c.text != text)
    without = SearchSpace.from_model(replace(model, constraints=others), pins=pins)
    assert has(without, refused), "it is not this rule that refuses"


def test_rules_that_only_other_values_can_break():
    with pytest.raises(UserError, match="A chunk ends where a page"):
        load_space(
            "sglang",
            domains={"chunked_prefill_size": (64,)},
            pins={"page_size": 128, "chunked_prefill_size": 64},
        )
    with pytest.raises(UserError, match="No request is longer"):
        load_space("sglang", pins={"context_length": 2048, "longest_request": 4096})


SERVERS = [*RULES]


@pytest.mark.parametrize("name", SERVERS)
def test_a_change_of_the_server_restarts_it_and_a_change_of_requests_does_not(name):
    space = load_space(name)
    restarting = {p.name: p.restart for p in space.parameters}
    assert not restarting["concurrency"]
    assert not restarting["token_choice"]
    assert len([n for n, restarts in restarting.items() if restarts]) > 4
    arguments = space.arguments(space.default)
    assert arguments.harness == {"concurrency": 8}
    assert "model" in arguments.load
    assert "max_tokens" in arguments.request
    assert not arguments.hardware


@pytest.mark.parametrize("name", SERVERS)
def test_each_says_which_releases_it_was_written_for(name):
    attributes = load_model(name).root.attributes
    assert attributes["engine"]
    assert str(attributes["engine_version"]).startswith(">=")


# --- what each engine does unasked --------------------------------------------------------------


def told(name, **pins):
    space = load_space(name, pins=pins)
    return space.arguments(space.default)


def test_transformers_serve_is_told_nothing_that_it_would_not_do_unasked():
    arguments = told("transformers_serve")
    assert arguments.load == {
        "model": "builtin:large",
        "dtype": "auto",
        "device": "auto",
        "reasoning": "auto",
    }
    assert arguments.request == {"max_tokens": 1024}


def test_sglang_is_left_to_work_out_what_depends_on_the_machine():
    load = told("sglang").load
    assert load["schedule_policy"] == "fcfs"
    assert load["max_prefill_tokens"] == 16384
    assert not {
        "mem_fraction_static", "chunked_prefill_size", "max_running_requests",
        "attention_backend", "speculative_algorithm", "disable_radix_cache",
    } & set(load)  # fmt: skip


def test_llama_cpp_has_four_slots_over_one_cache():
    load = told("llama_cpp").load
    assert (load["parallel"], load["kv_unified"]) == (4, True)
    assert (load["batch_size"], load["ubatch_size"]) == (2048, 512)
    assert not {"threads", "ctx_size", "no_cont_batching", "spec_type"} & set(load)


def test_negative_flags_are_named_as_the_engine_does():
    sglang = load_space("sglang")
    dropped = sglang.configuration({"prefix_cache": "PrefixesDropped"})
    assert sglang.arguments(dropped).load["disable_radix_cache"] is True
    llama_cpp = load_space("llama_cpp")
    together = llama_cpp.configuration({"joining": "JoinedTogether"})
    assert llama_cpp.arguments(together).load["no_cont_batching"] is True


# --- what changes nothing -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "pins", "values", "same"),
    [
        ("transformers_serve", {}, {**CB, "search": "PromptLookup"}, CB),
        ("transformers_serve", {}, {**CB, "cache": "NoCache"}, CB),
        ("transformers_serve", {}, {"cache": "NoCache", "Compile": True}, {"cache": "NoCache"}),
        ("sglang", GPUS, {"pp_size": 2, "scheduler": "ScheduledInStep"}, {"pp_size": 2}),
        ("sglang", {}, {"attention": "TorchNative", "decode_graphs": "NoDecodeGraphs"},
         {"attention": "TorchNative"}),
        ("llama_cpp", {}, {"parallel": 1, "joining": "JoinedTogether"}, {"parallel": 1}),
        ("vllm", {}, {"execution": "Eager", "performance_mode": "Interactivity"},
         {"execution": "Eager"}),
    ],
)  # fmt: skip
def test_what_the_engine_takes_no_notice_of_is_not_another_configuration(name, pins, values, same):
    space = load_space(name, pins=pins)
    assert space.configuration(values) == space.configuration(same)
