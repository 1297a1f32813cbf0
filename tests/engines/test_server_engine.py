"""A server is asked as it should be, and its every misbehaviour is named and makes no figure."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from stub_server import LATE_S, PAUSE_S, StubServer
from test_worker import is_gone

from tuner.engines import ServerEngine, ServerLimits
from tuner.errors import UserError
from tuner.measure import EngineFailure
from tuner.workloads import Request

STUB = [sys.executable, str(Path(__file__).parent / "stub_server.py")]
LIMITS = ServerLimits(load_s=20, run_s=20, silence_s=10, end_s=1)
HASTY = ServerLimits(load_s=20, run_s=20, silence_s=1.5, end_s=1)
"""For what is silent for ever: a good server that gets no processor for so long would fail too."""


def arguments(load=None, request=None, **harness):
    return SimpleNamespace(load=load or {}, request=request or {}, harness=harness)


def requests(*prompts, n=6, **more):
    return [Request(prompt, max_tokens=n, **more) for prompt in prompts]


@pytest.fixture
def stub():
    with StubServer() as server:
        yield server


@pytest.fixture
def attached(stub):
    with ServerEngine("stub", url=stub.url, api="completions", limits=LIMITS) as engine:
        engine.apply(arguments())
        yield engine


@pytest.fixture
def hasty(stub):
    with ServerEngine("stub", url=stub.url, api="completions", limits=HASTY) as engine:
        yield engine


def launched(**options):
    options = {"launch": "vllm", "command": STUB, "device": "cpu", "limits": LIMITS, **options}
    return ServerEngine(str(Path(__file__).parent), api="completions", **options)


@pytest.fixture(autouse=True)
def model_folder(monkeypatch):
    """Let the stub serve any folder."""
    monkeypatch.setattr("tuner.engines.serving.flavor.check_model", lambda name: None)


def failure(call, *args, **kwargs):
    with pytest.raises(EngineFailure) as caught:
        call(*args, **kwargs)
    return caught.value


# Answers


def test_answers_come_in_the_order_of_the_requests_with_their_figures(attached):
    completions = attached.run(requests("good a", "good b", "good c"), seed=1)
    for name, completion in zip("abc", completions, strict=True):
        assert completion.text == "".join(f"{name}-{i} " for i in range(6))
        assert (completion.n_prompt_tokens, completion.n_output_tokens) == (3, 6)
        # All pieces may be seen at once, but none before it is sent.
        assert 0 < completion.ttft_s <= completion.last_token_s <= completion.latency_s
        assert completion.last_token_s >= 6 * PAUSE_S
        assert len(completion.gaps_s) == 5
        assert sum(completion.gaps_s) <= completion.last_token_s - completion.ttft_s + 1e-9
        assert completion.finish_reason == "length"
        assert completion.error is None
    assert attached.in_force.warnings == ()


def test_the_end_of_an_answer_is_told(attached):
    (completion,) = attached.run(requests("ends a"), seed=1)
    assert (completion.finish_reason, completion.n_output_tokens) == ("stop", 7)


def test_a_role_is_not_the_first_token(stub):
    with ServerEngine("stub", url=stub.url, api="chat", limits=LIMITS) as engine:
        engine.apply(arguments())
        (completion,) = engine.run(requests("good a"), seed=1)
    assert completion.ttft_s >= LATE_S
    assert completion.text.startswith("a-0 ")


def test_seeds_differ_between_requests_and_are_the_same_again(stub, attached):
    for _ in range(2):
        attached.run(requests("good a", "good b"), seed=5)
    assert [body["seed"] for body in stub.asked] == [5, 6, 5, 6]


def test_arguments_of_requests_are_sent(stub, attached):
    attached.apply(arguments(request={"temperature": 0.5, "top_k": 3}))
    attached.run(requests("good a"), seed=5)
    assert (stub.asked[0]["temperature"], stub.asked[0]["top_k"]) == (0.5, 3)


def test_an_engine_runs_inside_an_event_loop_too(attached):
    async def notebook():
        return attached.run(requests("good a"), seed=1)

    assert len(asyncio.run(notebook())) == 1


# Load


@pytest.mark.parametrize(("concurrency", "at_once"), [(None, 1), (1, 1), (3, 3), (20, 8)])
def test_a_closed_loop_keeps_so_many_requests_in_flight(stub, attached, concurrency, at_once):
    harness = {} if concurrency is None else {"concurrency": concurrency}
    attached.apply(arguments(**harness))
    attached.run(requests(*[f"meets-{at_once} a"] * 8), seed=1)
    assert stub.most_together == at_once


def test_none_begins_after_the_time_is_up_save_the_first_ones(stub, attached):
    attached.apply(arguments(concurrency=3))
    completions = attached.run(requests(*(f"good {i}" for i in range(8))), seed=1, seconds=0.0)
    assert [c.text[0] for c in completions] == ["0", "1", "2"]
    assert len(stub.asked) == 3


def test_an_open_loop_sends_at_arrival_whatever_is_in_flight(stub, attached):
    asked = [Request(f"meets-5 {i}", max_tokens=6, arrival_s=0.01 * i) for i in range(5)]
    completions = attached.run(asked, seed=1)
    assert [c.text[0] for c in completions] == ["0", "1", "2", "3", "4"]
    assert stub.most_together == 5  # or the first would never be answered


def test_waiting_for_a_turn_counts_in_an_open_loop(stub, attached):
    attached.apply(arguments(concurrency=1))
    asked = [Request(f"good {i}", max_tokens=20, arrival_s=0.0) for i in range(3)]
    completions = attached.run(asked, seed=1)
    assert stub.most_together == 1
    for i, completion in enumerate(completions):
        assert completion.ttft_s >= i * 20 * PAUSE_S


def test_arrivals_after_the_time_is_up_are_not_asked(stub, attached):
    asked = [Request(f"good {i}", max_tokens=2, arrival_s=60.0 * i) for i in range(3)]
    assert len(attached.run(asked, seed=1, seconds=1.0)) == 1
    late = [Request("good a", max_tokens=2, arrival_s=0.05)]
    assert len(attached.run(late, seed=1, seconds=0.0)) == 1


# Misbehaviour


BROKEN = [
    ("cut a", "wrong_output", "cut off after 4 pieces"),
    ("cut-but-done a", "wrong_output", "cut off after 4 pieces"),
    ("bad-json a", "wrong_output", "no JSON object"),
    ("bad-shape a", "wrong_output", "unknown form"),
    ("no-usage a", "wrong_output", "no usage was told"),
    ("no-tokens a", "wrong_output", "no tokens for a text"),
    ("whole a", "wrong_output", "no stream of events"),
    ("abort a", "crash", "'abort'"),
    ("error a", "crash", "the engine broke"),
    ("old-error a", "crash", "the slot broke"),
    ("close a", "crash", "the connection broke"),
    ("status-500 a", "crash", "HTTP status 500: that is wrong"),
    ("status-400 a", "refused", "HTTP status 400: that is wrong"),
    ("status-500-memory a", "out_of_memory", "CUDA out of memory"),
    ("error-memory a", "out_of_memory", "CUDA out of memory"),
    ("stall a", "hang", "nothing came for 1.5 s"),
    ("mute a", "hang", "nothing came for 1.5 s"),
]


@pytest.mark.parametrize(("prompt", "cause", "words"), BROKEN)
def test_a_broken_answer_is_named_and_gives_no_figure(attached, hasty, prompt, cause, words):
    engine = hasty if cause == "hang" else attached
    engine.apply(arguments(concurrency=3))
    good, broken, other = engine.run(requests("good a", prompt, "good b"), seed=1)
    assert words in broken.error
    assert broken.text == ""
    assert (broken.n_prompt_tokens, broken.n_output_tokens) == (0, 0)
    assert broken.ttft_s is broken.last_token_s is None
    assert broken.gaps_s == ()
    assert good.error is other.error is None
    (warning,) = engine.in_force.warnings
    assert warning.startswith("1 of 3 requests failed: ")
    assert words in warning
    alone = failure(engine.run, requests(prompt), seed=1)
    assert alone.cause == cause
    assert "all 1 requests failed: " in alone.message
    engine.apply(arguments())
    assert engine.run(requests("good a"), seed=1)[0].error is None


def test_several_tokens_in_a_piece_are_told(attached):
    completions = attached.run(requests("bundles a", "single b", "good c", n=12), seed=1)
    assert [c.n_output_tokens for c in completions] == [12, 12, 12]
    assert [len(c.gaps_s) for c in completions] == [0, 0, 11]
    assert [c.ttft_s is None for c in completions] == [False, True, False]
    assert [c.last_token_s is None for c in completions] == [False, True, False]
    assert "2 of 3 answers came in fewer pieces than tokens" in attached.in_force.warnings[0]


def test_comments_that_keep_a_connection_alive_are_no_pieces(attached):
    (completion,) = attached.run(requests("pings a"), seed=1)
    assert len(completion.gaps_s) == 5


def test_missing_usage_is_made_up_for_by_the_models_tokenizer(tiny_model):
    with StubServer(tiny_model) as stub, ServerEngine(tiny_model, url=stub.url) as engine:
        in_force = engine.apply(arguments())
        assert in_force.details["api"] == "completions"  # its tokenizer has no chat template
        (completion,) = engine.run(requests("no-usage 17"), seed=1)
        warnings = engine.in_force.warnings
    assert any("counted by the model's tokenizer" in warning for warning in warnings)
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    n = len(tokenizer(completion.text, add_special_tokens=False)["input_ids"])
    assert completion.n_output_tokens == n
    assert completion.n_prompt_tokens == len(tokenizer("no-usage 17")["input_ids"])


def test_answers_of_another_length_than_the_workload_asks_for_are_told(attached):
    asked = [Request("good a", max_tokens=3, min_tokens=5), Request("good b", max_tokens=3)]
    attached.run(asked, seed=1)
    assert "1 of 2 answers are shorter than the workload asks for" in attached.in_force.warnings


def test_a_run_without_end_is_a_hang(stub):
    limits = ServerLimits(run_s=0.5, silence_s=30)
    with ServerEngine("stub", url=stub.url, api="completions", limits=limits) as engine:
        engine.apply(arguments())
        caught = failure(engine.run, requests("stall a"), seed=1)
    assert caught.cause == "hang"
    assert "no end within 0.5 s" in caught.message


# Running servers


def test_what_a_running_server_tells_of_itself(stub, attached):
    in_force = attached.in_force
    assert in_force.engine == "vllm"
    assert in_force.version == "0.0.stub"
    assert in_force.model_loaded == "stub"
    assert attached.pids == (os.getpid(),)  # the stub is a thread of this process


def test_each_server_is_known_by_what_it_says_of_itself():
    for owner, name, version in (
        ("sglang", "sglang", "0.0.old"),
        ("llamacpp", "llama.cpp", "b1-stub"),
        ("somebody", "unknown", None),
    ):
        with StubServer(owner=owner) as stub, ServerEngine("stub", url=stub.url) as engine:
            in_force = engine.apply(arguments())
            assert (in_force.engine, in_force.version) == (name, version)
            assert in_force.details["api"] == ("completions" if owner == "llamacpp" else "chat")


def test_arguments_of_the_start_are_refused_unless_the_server_has_them(stub):
    with ServerEngine("stub", url=stub.url, started_with={"max_num_seqs": 8}) as engine:
        assert engine.apply(arguments({"max_num_seqs": 8, "model": "stub"}))
        caught = failure(engine.apply, arguments({"max_num_seqs": 16}))
    assert caught.cause == "refused"
    assert "max_num_seqs=16" in caught.message


def test_the_only_model_of_a_server_need_not_be_named(stub):
    with ServerEngine("", url=f"{stub.url}/v1/") as engine:
        assert engine.apply(arguments()).model_loaded == "stub"
        assert engine.in_force.details["api"] == "chat"  # it takes conversations


def test_joules_of_a_server_that_cannot_be_seen_are_missing_not_those_of_this_machine(
    stub, monkeypatch
):
    from tuner.engines.serving import machine
    from tuner.measure import best_meter

    monkeypatch.setattr(machine, "listener", lambda url: None)
    monkeypatch.setattr(machine, "device", lambda: "cuda")
    with ServerEngine("stub", url=stub.url, api="completions") as engine:
        assert engine.apply(arguments()).device == engine.device == "elsewhere"
        assert engine.in_force.gpus == ()
        meter = best_meter(lambda: engine.pids, engine.device)
        meter.start()
        assert engine.run(requests("good a"), seed=1)
        assert meter.stop().joules is None
        assert engine.peak_memory_bytes is None
    with ServerEngine("stub", url=stub.url, device="cuda") as engine:
        engine.apply(arguments())
        assert engine.device == "cuda"  # in a container, for instance


def test_a_forwarder_is_not_the_server(stub, monkeypatch):
    from tuner.engines.serving import machine

    assert machine.listener(stub.url) == os.getpid()
    monkeypatch.setattr(psutil.Process, "name", lambda self: "docker-proxy")
    assert machine.listener(stub.url) is None


def test_mistakes_about_a_running_server_are_the_users(stub):
    with ServerEngine("other", url=stub.url) as engine, pytest.raises(UserError, match="stub"):
        engine.apply(arguments())
    with pytest.raises(UserError, match="no address"):
        ServerEngine("stub", url="localhost:8000")
    with pytest.raises(UserError, match="either"):
        ServerEngine("stub")
    with (
        ServerEngine("stub", url="http://127.0.0.1:9") as engine,
        pytest.raises(UserError, match="no server answers"),
    ):
        engine.apply(arguments())
    with pytest.raises(UserError, match="no server answers"):
        engine.check()


def test_a_running_server_that_goes_away_crashed(stub, attached):
    stub.__exit__()
    caught = failure(attached.run, requests("good a"), seed=1)
    assert caught.cause == "crash"
    assert "does not answer any more" in caught.message


# Launched servers


def told(engine):
    """The arguments that the launched stub has seen."""
    line = next(line for line in engine.log().splitlines() if line.startswith("serving "))
    return json.loads(line.removeprefix("serving "))


def test_a_launched_server_gets_its_arguments_answers_and_ends():
    with launched() as engine:
        in_force = engine.apply(arguments({"max_num_seqs": 8}))
        assert told(engine)[-2:] == ["--max-num-seqs", "8"]
        assert (in_force.engine, in_force.version) == ("vllm", "0.0.stub")
        assert in_force.arguments == {"max_num_seqs": 8}
        assert in_force.details["load_s"] > 0
        (completion,) = engine.run(requests("good a"), seed=1)
        assert completion.error is None
        assert engine.peak_memory_bytes > 1_000_000
        (pid,) = engine.pids
    assert is_gone(pid)
    assert engine.pids == ()
    engine.close()


@pytest.mark.parametrize("launch", ["vllm", "sglang", "transformers"])
def test_a_models_own_code_runs_only_where_that_was_allowed(launch):
    for allowed in (False, True):
        with launched(launch=launch, trust_remote_code=allowed) as engine:
            engine.apply(arguments())
            assert ("--trust-remote-code" in told(engine)) is allowed


def test_only_other_arguments_of_the_start_start_another_server():
    with launched() as engine:
        engine.apply(arguments({"a": 1}, {"temperature": 0.5}, concurrency=1))
        first = engine.pids
        engine.apply(arguments({"a": 1}, {"temperature": 0.9}, concurrency=2))
        assert engine.pids == first
        engine.apply(arguments({"a": 2}, {"temperature": 0.9}, concurrency=2))
        assert engine.pids != first
        assert is_gone(first[0])


def test_continuous_batching_of_transformers_keeps_what_the_first_request_said():
    with launched(launch="transformers") as engine:
        engine.apply(arguments({"continuous_batching": True}, {"temperature": 0.5}))
        first = engine.pids
        engine.apply(arguments({"continuous_batching": True}, {"temperature": 0.9}))
        assert engine.pids != first


@pytest.mark.parametrize(
    ("start", "cause", "words"),
    [
        ("memory", "out_of_memory", "CUDA out of memory"),
        ("refused", "refused", "ValueError: max_num_batched_tokens (8)"),
        ("usage", "refused", "invalid choice"),
        ("crash", "crash", "signal 11"),
    ],
)
def test_a_start_that_fails_tells_its_cause(start, cause, words):
    with launched() as engine:
        caught = failure(engine.apply, arguments({"start": start}))
        assert caught.cause == cause
        assert words in caught.message
        assert engine.pids == ()
        engine.apply(arguments())
        assert engine.run(requests("good a"), seed=1)[0].error is None


def test_a_start_without_end_is_a_hang():
    with launched(limits=ServerLimits(load_s=1.0, end_s=1)) as engine:
        caught = failure(engine.apply, arguments({"start": "hang"}))
        assert caught.cause == "hang"
        assert "not ready within 1 s" in caught.message


def test_a_server_that_dies_in_a_run_crashed_and_is_replaced():
    with launched() as engine:
        engine.apply(arguments())
        first = engine.pids
        caught = failure(engine.run, requests("good a", "die b"), seed=1)
        assert caught.cause == "crash"
        assert "the server ended (status 3)" in caught.message
        assert engine.pids == ()
        engine.apply(arguments())
        assert engine.run(requests("good a"), seed=1)[0].error is None
        assert engine.pids != first


def test_a_server_that_is_killed_crashed():
    with launched() as engine:
        engine.apply(arguments())
        os.kill(engine.pids[0], signal.SIGKILL)
        assert is_gone(engine.pids[0]) if engine.pids else True
        caught = failure(engine.run, requests("good a"), seed=1)
        assert caught.cause == "crash"
        assert "signal 9" in caught.message


@pytest.mark.slow
def test_a_server_that_stopped_is_a_hang_and_replaced():
    with launched(limits=HASTY) as engine:
        engine.apply(arguments())
        first = engine.pids
        os.kill(first[0], signal.SIGSTOP)
        assert failure(engine.run, requests("good a"), seed=1).cause == "hang"
        assert is_gone(first[0])
        engine.apply(arguments())
        assert engine.run(requests("good a"), seed=1)[0].error is None


def test_another_port_is_taken_where_one_is_in_use(monkeypatch):
    from tuner.engines.serving import machine

    with StubServer() as other:
        free = machine.free_port()
        ports = iter([other.port, free])
        monkeypatch.setattr(machine, "free_port", lambda: next(ports))
        with launched() as engine:
            engine.apply(arguments())
            assert engine.in_force.command_line[-2:] == ("--port", str(free))
            engine.run(requests("good a"), seed=1)
        assert other.asked == []


def test_a_program_that_is_not_there_is_the_users_mistake():
    with (
        launched(command=["/no/such/vllm", "serve"]) as engine,
        pytest.raises(UserError, match="/no/such/vllm cannot be started"),
    ):
        engine.apply(arguments())
    with pytest.raises(UserError, match="/no/such/vllm cannot be started"):
        engine.check()


def test_a_model_that_is_not_there_is_the_users_mistake(monkeypatch):
    monkeypatch.undo()
    engine = ServerEngine("/no/such/model", launch="vllm", command=STUB)
    with engine, pytest.raises(UserError, match="no model folder"):
        engine.apply(arguments())
    engine = ServerEngine("/no/such/model.gguf", launch="llama.cpp", command=STUB)
    with engine, pytest.raises(UserError, match=r"\.gguf file"):
        engine.apply(arguments())


@pytest.mark.parametrize("change", [{"sockets": 2}, {"concurrency": 0}])
def test_what_the_harness_cannot_do_is_refused(attached, change):
    assert failure(attached.apply, arguments(**change)).cause == "refused"
    attached.apply(arguments())
    assert attached.run(requests("good a"), seed=1)


def test_running_before_a_configuration_is_in_force_fails(stub):
    with ServerEngine("stub", url=stub.url) as engine:
        assert "apply" in failure(engine.run, requests("good a"), seed=1).message


# Nothing is left over


def descendants(pid):
    return [p.pid for p in psutil.Process(pid).children(recursive=True)]


def test_offspring_that_left_the_session_ends_with_the_server():
    with launched() as engine:
        engine.apply(arguments({"offspring": 1}))
        supervisor = psutil.Process(engine.pids[0]).ppid()
        pids = descendants(supervisor)
        assert len(pids) == 2
    assert all(is_gone(pid) for pid in [supervisor, *pids])


def test_a_server_that_will_not_end_is_killed():
    with launched(limits=ServerLimits(load_s=20, end_s=0.2)) as engine:
        engine.apply(arguments({"start": "stubborn"}))
        (pid,) = engine.pids
    assert is_gone(pid)


def test_a_server_without_its_guardian_ends_too():
    with launched() as engine:
        engine.apply(arguments())
        (pid,) = engine.pids
        os.kill(psutil.Process(pid).ppid(), signal.SIGKILL)
    assert is_gone(pid)


@pytest.mark.parametrize("busy", [False, True])
def test_nothing_is_left_when_the_parent_is_killed(busy):
    program = f"""
import psutil, sys, time
from types import SimpleNamespace
from tuner.engines import ServerEngine, ServerLimits
from tuner.workloads import Request
import tuner.engines.serving.flavor as flavor
flavor.check_model = lambda name: None
limits = ServerLimits(load_s=20, silence_s=600, end_s=1)
engine = ServerEngine("/tmp", launch="vllm", command={STUB!r}, limits=limits)
engine.apply(SimpleNamespace(load={{"offspring": 1}}, request={{}}, harness={{}}))
supervisor = psutil.Process(engine.pids[0]).parent()
print(supervisor.pid, *(p.pid for p in supervisor.children(recursive=True)), flush=True)
if {busy}:
    engine.run([Request("stall a", max_tokens=4)], seed=1)
time.sleep(600)
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        text=True,
    )
    pids = [int(word) for word in parent.stdout.readline().split()]
    assert len(pids) == 3
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert all(is_gone(pid) for pid in pids)


def test_a_chat_template_makes_conversations(tiny_model, tmp_path):
    folder = tmp_path / "chat"
    shutil.copytree(tiny_model, folder)
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    with StubServer(str(folder)) as stub, ServerEngine(str(folder), url=stub.url) as engine:
        assert engine.apply(arguments()).details["api"] == "chat"
