"""What every engine promises to whoever measures it, whichever it is."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from stub_server import StubServer
from test_worker import is_gone

from tuner.engines import ServerEngine, ServerLimits, TransformersEngine, WorkerLimits
from tuner.measure import EngineFailure, InForce, InterruptedRun
from tuner.workloads import Request

REQUESTS = [Request(f"good {i} + 4 =", max_tokens=5) for i in range(6)]
AT_ONCE = 2
STUB = [sys.executable, str(Path(__file__).parent / "stub_server.py")]


@pytest.fixture(scope="module")
def stub(tiny_model):
    with StubServer(tiny_model) as stub:
        yield stub


@pytest.fixture(
    scope="module",
    params=[pytest.param("transformers", marks=pytest.mark.slow), "attached", "launched"],
)
def engine(request, tiny_model):
    limits = ServerLimits(load_s=60, run_s=60, silence_s=30, end_s=2)
    if request.param == "transformers":
        engine = TransformersEngine(limits=WorkerLimits(load_s=60, run_s=60, silence_s=30))
        engine.at_once = "batch_size"
    elif request.param == "attached":
        stub = request.getfixturevalue("stub")
        engine = ServerEngine(tiny_model, url=stub.url, limits=limits)
        engine.at_once = "concurrency"
    else:
        engine = ServerEngine(tiny_model, launch="vllm", command=STUB, limits=limits)
        engine.at_once = "concurrency"
    with engine:
        yield engine


@pytest.fixture
def arguments(engine, tiny_model):
    """The default configuration, with changes to what the harness does."""

    def make(**harness):
        told = {engine.at_once: AT_ONCE, **harness}
        return SimpleNamespace(load={"model": tiny_model}, request={}, harness=told)

    return make


def test_each_request_has_its_completion(engine, arguments):
    engine.apply(arguments())
    completions = engine.run(REQUESTS, seed=0)
    assert len(completions) == len(REQUESTS)
    for completion in completions:
        assert completion.error is None
        assert 0 < completion.ttft_s <= completion.last_token_s <= completion.latency_s
        assert 1 <= completion.n_output_tokens <= 5
        assert completion.n_prompt_tokens > 0
        if completion.n_output_tokens < 5:
            assert completion.finish_reason == "stop"


def test_the_same_seed_gives_the_same_answers(engine, arguments):
    engine.apply(arguments())
    first, again = (engine.run(REQUESTS, seed=3) for _ in range(2))
    assert [c.text for c in first] == [c.text for c in again]


def test_those_that_go_first_are_answered_even_without_time(engine, arguments):
    engine.apply(arguments())
    whole = engine.run(REQUESTS, seed=0)
    part = engine.run(REQUESTS, seed=0, seconds=0.0)
    assert [c.text for c in part] == [c.text for c in whole[:AT_ONCE]]


def test_it_tells_what_is_in_force(engine, arguments, tiny_model):
    in_force = engine.apply(arguments())
    assert in_force == engine.in_force
    assert in_force.device == engine.device == "cpu"
    assert in_force.model_asked == in_force.model_loaded == tiny_model
    assert InForce.from_dict(json.loads(json.dumps(in_force.to_dict()))) == in_force
    assert engine.pids
    engine.run(REQUESTS, seed=0)
    assert isinstance(engine.in_force.warnings, tuple)
    assert engine.peak_memory_bytes > 1_000_000


def test_a_refusal_leaves_an_engine_that_works(engine, arguments):
    with pytest.raises(EngineFailure) as caught:
        engine.apply(arguments(sockets=2))
    assert caught.value.cause == "refused"
    assert "sockets" in caught.value.message
    with pytest.raises(EngineFailure, match="apply"):
        engine.run(REQUESTS, seed=0)
    engine.apply(arguments())
    assert engine.run(REQUESTS, seed=0)


def test_it_can_be_closed_twice_and_used_again(engine, arguments):
    engine.apply(arguments())
    pids = engine.pids
    engine.close()
    engine.close()
    if pids != (os.getpid(),):  # a server that runs in this process stays
        assert all(is_gone(pid) for pid in pids)
    with pytest.raises(EngineFailure, match="apply"):
        engine.run(REQUESTS, seed=0)
    engine.apply(arguments())
    assert engine.run(REQUESTS, seed=0)


def test_what_is_under_way_is_given_up_and_the_engine_works_on(engine, arguments):
    engine.apply(arguments())
    whole = engine.run(REQUESTS, seed=0, keep_going=lambda: True)
    assert len(whole) == len(REQUESTS)
    asked = []

    def until_asked_twice():
        asked.append(True)
        return len(asked) < 2

    long = [Request(f"good {i} + 4 =", max_tokens=500, min_tokens=400) for i in range(40)]
    assert len(engine.run(long, seed=0, keep_going=until_asked_twice)) < len(long)
    engine.apply(arguments())
    again = engine.run(REQUESTS, seed=0)
    assert [c.text for c in again] == [c.text for c in whole]


def test_where_there_is_no_time_at_all_it_ends_at_once_and_works_on(engine, arguments):
    engine.apply(arguments())
    asked = []

    def no_time_left():
        asked.append(True)
        if len(asked) > 1:
            raise InterruptedRun
        return True

    long = [Request(f"good {i} + 4 =", max_tokens=500, min_tokens=400) for i in range(40)]
    with contextlib.suppress(InterruptedRun):
        assert len(engine.run(long, seed=0, keep_going=no_time_left)) < len(long)
    engine.apply(arguments())
    assert len(engine.run(REQUESTS, seed=0)) == len(REQUESTS)


def test_a_start_is_given_up_where_there_is_one(engine, arguments):
    engine.close()
    started = not (isinstance(engine, ServerEngine) and engine.pids)
    if started:
        with pytest.raises(InterruptedRun):
            engine.apply(arguments(), keep_going=lambda: False)
    engine.apply(arguments())
    assert engine.run(REQUESTS, seed=0)
