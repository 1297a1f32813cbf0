"""Arguments become words of a command line, and requests become bodies, as each server wants it."""

from __future__ import annotations

import json

import pytest

from tuner.engines.serving.flavor import UNKNOWN
from tuner.engines.serving.flavors import server_named
from tuner.engines.serving.llama_cpp import LLAMA_CPP
from tuner.engines.serving.sglang import SGLANG
from tuner.engines.serving.transformers_serve import TRANSFORMERS_SERVE
from tuner.engines.serving.vllm import VLLM
from tuner.errors import UserError
from tuner.workloads import Request


def options(flavor, **load):
    words = flavor.command_line(["serve"], "some/model", 8123, load)
    return words[words.index("8123") + 1 :]


@pytest.mark.parametrize(
    ("flavor", "head"),
    [
        (VLLM, ["vllm", "serve", "some/model"]),
        (SGLANG, ["python3", "-m", "sglang.launch_server", "--model-path", "some/model"]),
        (LLAMA_CPP, ["llama-server", "-hf", "some/model"]),
        (TRANSFORMERS_SERVE, ["transformers.cli.transformers", "serve", "some/model"]),
    ],
)
def test_it_listens_to_this_machine_alone(flavor, head):
    words = flavor.command_line(None, "some/model", 8123, {})
    place = words.index("--host")
    assert words[place - len(head) : place] == head
    assert words[place:] == ["--host", "127.0.0.1", "--port", "8123"]


def test_a_file_of_weights_is_told_as_one():
    words = LLAMA_CPP.command_line(None, "a/b.gguf", 1, {})
    assert words[:3] == ["llama-server", "-m", "a/b.gguf"]


@pytest.mark.parametrize(
    ("flavor", "command", "head"),
    [
        (VLLM, ["/opt/a b/vllm"], ["/opt/a b/vllm", "serve", "m"]),
        (VLLM, ["/opt/a b/vllm", "serve"], ["/opt/a b/vllm", "serve", "m"]),
        (SGLANG, ["python", "-m", "sglang"], ["python", "-m", "sglang", "--model-path", "m"]),
        (LLAMA_CPP, ["taskset", "1", "llama-server"], ["taskset", "1", "llama-server", "-hf", "m"]),
        (TRANSFORMERS_SERVE, ["transformers"], ["transformers", "serve", "m"]),
    ],
)
def test_a_command_of_the_users_own_is_called_as_the_server_would_be(flavor, command, head):
    assert flavor.command_line(command, "m", 1, {})[: len(head)] == head


@pytest.mark.parametrize(
    ("flavor", "load", "words"),
    [
        (VLLM, {"max_num_seqs": 8}, ["--max-num-seqs", "8"]),
        (VLLM, {"gpu_memory_utilization": 0.9}, ["--gpu-memory-utilization", "0.9"]),
        (VLLM, {"enforce_eager": True}, ["--enforce-eager"]),
        (VLLM, {"enable_prefix_caching": False}, ["--no-enable-prefix-caching"]),
        (VLLM, {"block_size": None}, []),
        (SGLANG, {"disable_radix_cache": True}, ["--disable-radix-cache"]),
        (SGLANG, {"disable_radix_cache": False}, []),
        (LLAMA_CPP, {"mmap": False, "flash_attn": "on"}, ["--no-mmap", "--flash-attn", "on"]),
        (LLAMA_CPP, {"mlock": False}, []),
        (TRANSFORMERS_SERVE, {"continuous_batching": False}, ["--no-continuous-batching"]),
        (TRANSFORMERS_SERVE, {"cb_max_batch_tokens": 256}, ["--cb-max-batch-tokens", "256"]),
    ],
)
def test_options(flavor, load, words):
    assert options(flavor, **load) == words


def test_names_with_dots_are_gathered_in_one_option():
    words = options(
        VLLM,
        **{
            "compilation_config.cudagraph_mode": "FULL",
            "max_num_seqs": 8,
            "compilation_config.mode": 3,
        },
    )
    assert words[:3] == ["--max-num-seqs", "8", "--compilation-config"]
    assert json.loads(words[3]) == {"cudagraph_mode": "FULL", "mode": 3}


def test_no_word_is_ever_split_or_expanded():
    assert options(VLLM, dtype="$(touch x); a b") == ["--dtype", "$(touch x); a b"]


def test_an_unknown_server_is_the_users_mistake():
    with pytest.raises(UserError, match=r"vllm, sglang, llama\.cpp, transformers"):
        server_named("tgi")


def body(flavor, request=None, arguments=None, *, api="completions", paged=False, own=None):
    return flavor.request_body(
        api,
        "m",
        request or Request("hello"),
        arguments or {},
        seed=3,
        paged=paged,
        own_settings=own or {},
    )


def test_prompts_and_conversations():
    assert body(VLLM)["prompt"] == "hello"
    assert "messages" not in body(VLLM)
    chat = body(VLLM, api="chat")
    assert chat["messages"] == [{"role": "user", "content": "hello"}]
    assert "prompt" not in chat


def test_every_request_is_streamed_with_its_usage_and_seed():
    told = body(VLLM, arguments={"temperature": 0.5})
    assert (told["model"], told["stream"], told["seed"]) == ("m", True, 3)
    assert told["stream_options"] == {"include_usage": True}
    assert told["temperature"] == 0.5
    assert "stream_options" not in body(TRANSFORMERS_SERVE)  # tells it unasked, and warns if asked


def test_the_requests_length_overrules_the_configurations_and_the_models():
    own = {"max_new_tokens": 40}
    assert "max_tokens" not in body(VLLM)
    assert body(VLLM, own=own)["max_tokens"] == 40
    assert body(VLLM, arguments={"max_tokens": 30}, own=own)["max_tokens"] == 30
    request = Request("hello", max_tokens=20)
    assert body(VLLM, request, {"max_tokens": 30}, own=own)["max_tokens"] == 20


EXACT = Request("hello", max_tokens=9, min_tokens=9)
LOOSE = Request("hello", max_tokens=9, min_tokens=4)


@pytest.mark.parametrize("flavor", [VLLM, SGLANG])
def test_least_lengths_of_servers_with_a_field_for_it(flavor):
    assert body(flavor, EXACT)["min_tokens"] == 9
    assert body(flavor, EXACT)["ignore_eos"] is True
    assert body(flavor, LOOSE)["min_tokens"] == 4
    assert "ignore_eos" not in body(flavor, LOOSE)


def test_exact_lengths_of_llama_cpp():
    assert body(LLAMA_CPP, EXACT)["ignore_eos"] is True
    assert "ignore_eos" not in body(LLAMA_CPP, LOOSE)


def test_a_server_of_an_unknown_kind_is_told_nothing_that_it_may_refuse():
    told = body(UNKNOWN, EXACT)
    assert set(told) == {"model", "stream", "seed", "prompt", "stream_options", "max_tokens"}


def test_generation_settings_of_transformers_keep_the_models_own():
    own = {"eos_token_id": 2, "max_new_tokens": 40, "do_sample": False}
    told = body(TRANSFORMERS_SERVE, arguments={"generation_config.top_k": 5}, own=own)
    assert json.loads(told["generation_config"]) == {**own, "top_k": 5}
    assert told["max_tokens"] == 40
    assert "generation_config" not in body(TRANSFORMERS_SERVE, own=own)


def test_least_lengths_of_transformers():
    own = {"eos_token_id": 2}
    told = body(TRANSFORMERS_SERVE, LOOSE, own=own)
    assert json.loads(told["generation_config"]) == {"eos_token_id": 2, "min_new_tokens": 4}
    told = body(TRANSFORMERS_SERVE, EXACT, own=own, paged=True)
    assert json.loads(told["generation_config"]) == {"eos_token_id": -1}
    assert "generation_config" not in body(TRANSFORMERS_SERVE, LOOSE, own=own, paged=True)
