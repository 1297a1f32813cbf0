"""The transformers engine gives transformers' answers, says what is in force, and survives."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import signal
from types import SimpleNamespace

import psutil
import pytest

from tuner.engines import TransformersEngine, WorkerLimits, check_model
from tuner.errors import UserError
from tuner.measure import EngineFailure
from tuner.tasks import builtin_task

PROMPTS = builtin_task(n=12).requests
LIMITS = WorkerLimits(load_s=60, run_s=60, silence_s=30)


def arguments(model, request=None, harness=None, **load):
    return SimpleNamespace(
        load={"model": model, **load},
        request={"max_new_tokens": 8, **(request or {})},
        harness={"batch_size": 4, "threads": 1, **(harness or {})},
    )


@pytest.fixture(scope="module")
def engine():
    with TransformersEngine(limits=LIMITS) as engine:
        yield engine
        pids = engine.pids
    assert not any(psutil.pid_exists(pid) for pid in pids)


def texts(engine, *args, seed=0, **kwargs):
    engine.apply(arguments(*args, **kwargs))
    return [completion.text for completion in engine.run(PROMPTS, seed=seed)]


def failure(engine, *args, **kwargs):
    with pytest.raises(EngineFailure) as caught:
        texts(engine, *args, **kwargs)
    return caught.value


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"num_beams": 3, "length_penalty": 0.5},
        {"repetition_penalty": 1.3, "no_repeat_ngram_size": 2},
    ],
)
def test_answers_are_those_of_generate_called_directly(engine, tiny_model, request_):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.set_num_threads(1)
    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    engine.apply(arguments(tiny_model, request_))
    completions = engine.run(PROMPTS, seed=0)
    for request, completion in zip(PROMPTS, completions, strict=True):
        inputs = tokenizer(request.prompt, return_tensors="pt", return_token_type_ids=False)
        n = inputs["input_ids"].shape[1]
        output = model.generate(**inputs, max_new_tokens=8, **request_)[0, n:]
        kept = [token for token in output.tolist() if token != tokenizer.pad_token_id]
        assert completion.text == tokenizer.decode(output, skip_special_tokens=True)
        assert (completion.n_prompt_tokens, completion.n_output_tokens) == (n, len(kept))


@pytest.mark.parametrize(
    ("request_", "harness"),
    [
        ({}, {"batch_size": 1}),
        ({}, {"batch_size": 12}),
        pytest.param({}, {"threads": 2}, marks=pytest.mark.slow),
        ({"use_cache": False}, {}),
        ({"cache_implementation": "static"}, {}),
        ({"prompt_lookup_num_tokens": 3}, {"batch_size": 1}),
    ],
)
def test_what_only_changes_the_cost_leaves_greedy_answers_alone(
    engine, tiny_model, request_, harness
):
    assert texts(engine, tiny_model, request_, harness) == texts(engine, tiny_model)


def test_an_assistant_model_leaves_greedy_answers_alone(engine, tiny_model):
    request = {"assistant_model": tiny_model, "num_assistant_tokens": 3}
    alone = texts(engine, tiny_model)
    assert texts(engine, tiny_model, request, {"batch_size": 1}) == alone
    assert engine.in_force.request["assistant_model"] == tiny_model


@pytest.mark.slow
def test_the_small_built_in_model_assists_the_others(engine):
    request = {"assistant_model": "builtin:small"}
    alone = texts(engine, "builtin:base")
    assert texts(engine, "builtin:base", request, {"batch_size": 1}) == alone


def test_prompts_are_padded_on_the_left(engine, tiny_model):
    engine.apply(arguments(tiny_model, harness={"batch_size": 12}))
    together = engine.run(PROMPTS, seed=0)
    assert len({c.n_prompt_tokens for c in together}) > 1
    engine.apply(arguments(tiny_model, harness={"batch_size": 1}))
    assert [c.n_prompt_tokens for c in engine.run(PROMPTS, seed=0)] == [
        c.n_prompt_tokens for c in together
    ]
    assert not any("padding" in warning for warning in engine.in_force.warnings)


def test_the_seed_alone_decides_what_is_sampled(engine, tiny_model):
    request = {"do_sample": True, "temperature": 1.0}
    first = texts(engine, tiny_model, request, seed=1)
    assert texts(engine, tiny_model, request, seed=1) == first
    assert texts(engine, tiny_model, request, seed=2) != first


def test_times_are_in_order_and_tokens_within_their_limit(engine, tiny_model):
    engine.apply(arguments(tiny_model, {"do_sample": True}))
    for completion in engine.run(PROMPTS, seed=3):
        assert 0 < completion.ttft_s <= completion.last_token_s <= completion.latency_s
        assert 1 <= completion.n_output_tokens <= 8
        if completion.finish_reason == "length":
            assert completion.n_output_tokens == 8


def test_beam_search_has_no_token_before_its_end(engine, tiny_model):
    engine.apply(arguments(tiny_model, {"num_beams": 2}))
    for completion in engine.run(PROMPTS, seed=3):
        assert completion.ttft_s == completion.latency_s
        assert completion.last_token_s is None


def test_each_request_of_a_batch_has_its_own_length(engine, tiny_model):
    from dataclasses import replace

    lengths = [3, 7, 5, 8]
    asked = [
        replace(request, min_tokens=n, max_tokens=n)
        for request, n in zip(PROMPTS, lengths, strict=False)
    ]
    engine.apply(arguments(tiny_model))
    assert [c.n_output_tokens for c in engine.run(asked, seed=0)] == lengths
    capped = [replace(request, min_tokens=None) for request in asked]
    for completion, n in zip(engine.run(capped, seed=0), lengths, strict=True):
        assert completion.n_output_tokens <= n
        assert completion.last_token_s <= completion.latency_s


def test_no_batch_begins_after_the_time_is_up(engine, tiny_model):
    engine.apply(arguments(tiny_model))
    assert len(engine.run(PROMPTS, seed=0, seconds=0.0)) == 4


def test_settings_tell_what_is_in_force(engine, tiny_model):
    in_force = engine.apply(arguments(tiny_model, {"num_beams": 2}, dtype="bfloat16"))
    assert in_force.device == "cpu"
    assert in_force.arguments["dtype"] == "bfloat16"
    assert in_force.arguments["threads"] == 1
    assert in_force.request["num_beams"] == 2
    assert set(in_force.libraries) == {"torch", "python"}
    assert in_force.version == importlib.metadata.version("transformers")
    assert engine.apply(arguments(tiny_model)).arguments["dtype"] == "float32"


def test_a_model_loaded_before_is_not_loaded_again(engine, tiny_model):
    first = engine.apply(arguments(tiny_model))
    pids = engine.pids
    engine.apply(arguments(tiny_model, attn_implementation="eager"))
    again = engine.apply(arguments(tiny_model))
    assert again.details["load_s"] == first.details["load_s"]
    assert engine.pids == pids


@pytest.mark.slow
def test_models_used_long_ago_make_room_for_others(tmp_path):
    import torch

    from tuner.builtin_models.architecture import SIZES, build_model
    from tuner.builtin_models.tokens import build_tokenizer

    torch.manual_seed(0)
    build_model(SIZES["large"]).save_pretrained(tmp_path / "0")  # 17 MB
    build_tokenizer().save_pretrained(tmp_path / "0")
    names = [str(tmp_path / f"{i}") for i in range(12)]
    for name in names[1:]:
        os.symlink(names[0], name)
    limits = WorkerLimits(load_s=60, run_s=60, memory_bytes=750_000_000)  # torch itself takes 450
    with TransformersEngine(limits=limits) as engine:
        request = {"assistant_model": names[0]}
        for name in names:
            engine.apply(arguments(name, request, {"batch_size": 1}))
        os.remove(tmp_path / "0" / "model.safetensors")  # now only what is in memory can be had
        for kept in (names[11], names[0]):
            engine.apply(arguments(kept))
            assert engine.run(PROMPTS, seed=0)
        with pytest.raises(EngineFailure):
            engine.apply(arguments(names[1]))


def test_ignored_arguments_are_reported_every_time(engine, tiny_model):
    for _ in range(2):
        texts(engine, tiny_model, {"temperature": 0.5})
        assert any("temperature" in warning for warning in engine.in_force.warnings)
        texts(engine, tiny_model)
        assert engine.in_force.warnings == ()


def quantised(backend):
    return {"cache_implementation": "quantized", "cache_config.backend": backend}


def without(package):
    found = importlib.util.find_spec(package) is not None
    return pytest.mark.skipif(found, reason=f"{package} is installed")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"request": {"temprature": 1.0}}, "temprature"),
        ({"request": {"prompt_lookup_num_tokens": 3}}, "batch_size = 1"),
        ({"request": {"do_sample": True, "top_k": -1}}, "top_k"),
        ({"harness": {"batch_size": 0}}, "batch_size must be at least 1"),
        ({"harness": {"sockets": 2}}, "unknown harness arguments: sockets"),
        ({"attn_implementation": "flash_attention_2"}, "FlashAttention2"),
        pytest.param({"request": quantised("quanto")}, "optimum-quanto", marks=without("optimum")),
        pytest.param({"request": quantised("hqq")}, "HQQ", marks=without("hqq")),
        ({"no_such_thing": 1}, "no_such_thing"),
    ],
)
def test_a_refusal_keeps_the_engines_words_and_the_engine(engine, tiny_model, change, words):
    engine.apply(arguments(tiny_model))
    pids = engine.pids
    caught = failure(engine, tiny_model, **change)
    assert caught.cause == "refused"
    assert words in caught.message
    assert texts(engine, tiny_model)
    assert engine.pids == pids


@pytest.mark.slow
def test_an_engine_that_breaks_on_an_argument_crashed(engine, tiny_model):
    caught = failure(engine, tiny_model, {"num_beams": 0})
    assert caught.cause == "crash"
    assert "ZeroDivisionError" in caught.message
    assert texts(engine, tiny_model)


@pytest.mark.slow
def test_a_cache_larger_than_the_memory_is_out_of_memory(engine, tiny_model):
    request = {"cache_implementation": "static", "max_new_tokens": 10**9}
    assert failure(engine, tiny_model, request, {"batch_size": 1}).cause == "out_of_memory"
    assert texts(engine, tiny_model)


@pytest.mark.slow
def test_weights_that_are_no_numbers_are_wrong_output(engine, tiny_model, tmp_path):
    from safetensors.torch import load_file, save_file

    broken = tmp_path / "broken"
    shutil.copytree(tiny_model, broken)
    weights = load_file(broken / "model.safetensors")
    weights["lm_head.weight"][:] = float("nan")
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    assert failure(engine, str(broken), {"do_sample": True}).cause == "wrong_output"
    assert texts(engine, tiny_model)


@pytest.mark.slow
@pytest.mark.parametrize(("blow", "cause"), [(signal.SIGKILL, "crash"), (signal.SIGSTOP, "hang")])
def test_a_child_that_dies_or_stops_is_replaced(tiny_model, blow, cause):
    with TransformersEngine(limits=WorkerLimits(load_s=60, run_s=60, silence_s=1)) as engine:
        expected = texts(engine, tiny_model)
        (pid,) = engine.pids
        os.kill(pid, blow)
        with pytest.raises(EngineFailure) as caught:
            engine.run(PROMPTS, seed=0)
        assert caught.value.cause == cause
        assert engine.pids == ()
        assert not psutil.pid_exists(pid)
        assert texts(engine, tiny_model) == expected
        assert engine.pids != (pid,)


@pytest.mark.slow
def test_a_chat_template_is_used_unless_switched_off(tiny_model, tmp_path):
    chat = tmp_path / "chat"
    shutil.copytree(tiny_model, chat)
    (chat / "chat_template.jinja").write_text(
        "{% for m in messages %}a:{{ m.content }}:b{% endfor %}"
    )
    lengths = {}
    for use in (None, False):
        with TransformersEngine(limits=LIMITS, chat_template=use) as engine:
            engine.apply(arguments(str(chat)))
            lengths[use] = [c.n_prompt_tokens for c in engine.run(PROMPTS, seed=0)]
    # `a:` and `:b` are four tokens; the template would write <bos> itself if it wanted one
    assert lengths[None] == [n + 4 - 1 for n in lengths[False]]


def test_running_before_a_configuration_is_in_force_fails():
    with TransformersEngine() as engine, pytest.raises(EngineFailure, match="apply"):
        engine.run(PROMPTS, seed=0)


def test_a_model_that_does_not_exist_is_the_users_mistake(tmp_path):
    for name, words in (
        (str(tmp_path / "absent"), "there is no model folder"),
        (str(tmp_path), "no config.json"),
        ("builtin:huge", "builtin:small"),
    ):
        with pytest.raises(UserError, match=words):
            check_model(name)
        with TransformersEngine() as engine, pytest.raises(UserError, match=words):
            engine.apply(arguments(name))
    check_model("some-organisation/some-model")
