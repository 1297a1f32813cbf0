"""`transformers serve` for real: started, driven, switched, and gone without a trace."""

from __future__ import annotations

import importlib.util
from types import SimpleNamespace

import psutil
import pytest
from test_worker import is_gone

from tuner.engines import ServerEngine, ServerLimits, TransformersEngine, WorkerLimits
from tuner.measure import EngineFailure
from tuner.tasks import builtin_task
from tuner.workloads import Request

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        any(importlib.util.find_spec(name) is None for name in ("fastapi", "uvicorn", "openai")),
        reason="the extra `serve` is not installed",
    ),
]

PROMPTS = [request.prompt for request in builtin_task(n=12).requests]
LIMITS = ServerLimits(load_s=180, run_s=120, silence_s=60, end_s=5)
PAGED = {"continuous_batching": True, "cb_num_blocks": 64, "cb_max_batch_tokens": 256}


def arguments(load=None, request=None, concurrency=1):
    harness = {"concurrency": concurrency}
    return SimpleNamespace(load=load or {}, request=request or {}, harness=harness)


@pytest.fixture(scope="module")
def expected():
    """What transformers answers when it is called directly."""
    with TransformersEngine(limits=WorkerLimits(load_s=180, run_s=120)) as engine:
        engine.apply(
            SimpleNamespace(
                load={"model": "builtin:small"}, request={}, harness={"batch_size": 1, "threads": 1}
            )
        )
        return engine.run([Request(prompt, max_tokens=40) for prompt in PROMPTS], seed=0)


@pytest.fixture(scope="module", params=[{"continuous_batching": False}, PAGED], ids=["one", "cb"])
def served(request):
    """A server with and without continuous batching, and what it was started with."""
    children = set(psutil.Process().children(recursive=True))
    environment = {"OMP_NUM_THREADS": "1"}
    with ServerEngine(
        "builtin:small", launch="transformers", limits=LIMITS, environment=environment
    ) as engine:
        engine.apply(arguments(request.param))
        yield engine, request.param
        pids = [p.pid for p in set(psutil.Process().children(recursive=True)) - children]
        assert len(pids) >= 2
    assert all(is_gone(pid) for pid in pids)


@pytest.mark.parametrize("concurrency", [1, 4])
def test_answers_are_those_of_transformers_called_directly(served, expected, concurrency):
    engine, load = served
    in_force = engine.apply(arguments(load, concurrency=concurrency))
    assert in_force.details["api"] == "completions"
    assert {name: in_force.arguments[name] for name in load} == load
    completions = engine.run([Request(prompt, max_tokens=40) for prompt in PROMPTS], seed=0)
    for completion, direct in zip(completions, expected, strict=True):
        assert completion.error is None
        assert completion.text == direct.text
        assert completion.n_output_tokens == direct.n_output_tokens
        assert completion.finish_reason == direct.finish_reason
        assert completion.n_prompt_tokens == direct.n_prompt_tokens
        assert completion.latency_s > 0
    assert engine.peak_memory_bytes > 100_000_000


def test_the_switch_is_in_force(served):
    engine, load = served
    engine.run([Request(PROMPTS[0], max_tokens=4)], seed=0)
    log = engine.log()
    assert f"CB: {load['continuous_batching']}" in log
    assert f"CB: {not load['continuous_batching']}" not in log
    option = "--continuous-batching" if load["continuous_batching"] else "--no-continuous-batching"
    assert option in engine.in_force.command_line


def test_lengths_are_as_the_workload_asks(served):
    engine, load = served
    engine.apply(arguments(load, concurrency=4))
    asked = [Request(p, max_tokens=n, min_tokens=n) for n, p in enumerate(PROMPTS, start=3)]
    completions = engine.run(asked, seed=0)
    assert [c.n_output_tokens for c in completions] == [r.max_tokens for r in asked]
    assert not any("shorter" in warning for warning in engine.in_force.warnings)


def test_generation_settings_of_requests_are_in_force(served):
    engine, load = served
    sampling = {"generation_config.do_sample": True, "generation_config.temperature": 5.0}
    requests = [Request(prompt, max_tokens=12, min_tokens=12) for prompt in PROMPTS]
    engine.apply(arguments(load))
    greedy = [c.text for c in engine.run(requests, seed=0)]
    engine.apply(arguments(load, sampling))
    assert [c.text for c in engine.run(requests, seed=0)] != greedy


@pytest.mark.parametrize(
    ("load", "words"),
    [
        ({"no_such_option": 3}, "no-such-option"),
        ({"dtype": "float17"}, "float17"),
        ({"attn_implementation": "magic"}, "magic"),
    ],
)
def test_a_refusal_keeps_the_servers_words(load, words):
    engine = ServerEngine("builtin:small", launch="transformers", limits=LIMITS)
    with engine, pytest.raises(EngineFailure) as caught:
        engine.apply(arguments(load))
    assert caught.value.cause == "refused"
    assert words in caught.value.message
