"""A child process fails in every way there is: the cause is named, and nothing is left over."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tuner.engines.worker import Worker
from tuner.measure import EngineFailure, InterruptedRun

HERE = Path(__file__).parent


@pytest.fixture
def child(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    child = Worker("echo_worker", {})
    yield child
    child.close()
    assert is_gone(child.pid)


def ask(child, op, limit_s=20.0, silence_s=20.0, keep_going=None, can_stop=True, **arguments):
    return child.call(
        {"op": op, **arguments},
        limit_s=limit_s,
        silence_s=silence_s,
        keep_going=keep_going,
        can_stop=can_stop,
    )


def failure(child, op, **arguments):
    with pytest.raises(EngineFailure) as caught:
        ask(child, op, **arguments)
    return caught.value


def is_gone(pid, patience_s=10.0):
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False


def test_it_answers_any_text_of_any_length(child):
    for text in ("", "ä\n\x00\u2028", "x" * 2_000_000):
        assert ask(child, "echo", text=text) == text


def test_a_refusal_keeps_its_words_and_the_child(child):
    caught = failure(child, "raise", words="no such knob")
    assert (caught.cause, caught.message) == ("refused", "ValueError: no such knob")
    assert ask(child, "echo", text="still here") == "still here"


def test_the_end_of_a_long_message_is_kept(child):
    message = failure(child, "raise", words="x" * 10_000 + " in the end").message
    assert message.endswith("in the end")
    assert len(message) < 3000


def test_signs_of_life_keep_a_slow_call_alive(child):
    assert ask(child, "beat_for", seconds=2.0, silence_s=1.2) == "done"


class Until:
    """Says no after some seconds, or raises where there is no time left."""

    def __init__(self, seconds, *, no_time=False):
        self.ends, self.no_time = time.monotonic() + seconds, no_time

    def __call__(self):
        if time.monotonic() < self.ends:
            return True
        if self.no_time:
            raise InterruptedRun
        return False


def test_a_child_that_is_to_give_up_has_the_time_that_its_step_takes(child):
    """Longer than a child has that is ended at once: the engine is still there afterwards."""
    pid = ask(child, "echo", text=child.pid)  # it has started
    steps = ask(child, "step_until_stopped", step_s=3.0, keep_going=Until(0.2))
    assert steps == 1
    assert ask(child, "echo", text="still here") == "still here"
    assert child.pid == pid
    assert ask(child, "beat_for", seconds=0.5, keep_going=Until(60)) == "done"


def test_where_there_is_no_time_a_child_gives_up_soon_or_is_ended(child):
    pid = ask(child, "echo", text=child.pid)  # it has started
    ask(child, "step_until_stopped", step_s=0.1, keep_going=Until(0.2, no_time=True))
    assert ask(child, "echo", text="still here") == "still here"
    assert child.pid == pid
    with pytest.raises(InterruptedRun):
        ask(child, "step_until_stopped", step_s=60.0, keep_going=Until(0.2, no_time=True))
    assert not child.alive


def test_what_cannot_stop_is_ended(child):
    with pytest.raises(InterruptedRun):
        ask(child, "sleep", seconds=60.0, can_stop=False, keep_going=Until(0.2))
    assert not child.alive


def test_silence_is_a_hang(child):
    caught = failure(child, "sleep", seconds=60.0, silence_s=0.5)
    assert caught.cause == "hang"
    assert "no sign of life for 0.5 s" in caught.message


def test_a_call_that_goes_on_for_ever_is_a_hang(child):
    caught = failure(child, "beat_for", seconds=60.0, limit_s=1.0)
    assert caught.cause == "hang"
    assert "no answer within 1 s" in caught.message
    assert not child.alive


def test_a_stopped_child_is_a_hang_even_while_it_is_written_to(child):
    ask(child, "echo", text="")
    os.kill(child.pid, signal.SIGSTOP)
    caught = failure(child, "echo", text="x" * 5_000_000, silence_s=0.5)
    assert caught.cause == "hang"
    assert "no sign of life for 0.5 s" in caught.message
    assert is_gone(child.pid)


def test_a_killed_child_is_a_crash(child):
    ask(child, "echo", text="")
    os.kill(child.pid, signal.SIGKILL)
    caught = failure(child, "echo", text="")
    assert caught.cause == "crash"
    assert "SIGKILL" in caught.message


def test_a_child_that_leaves_is_a_crash_with_its_status(child):
    caught = failure(child, "exit", status=3)
    assert caught.cause == "crash"
    assert "ended with status 3" in caught.message


def test_an_allocation_beyond_the_limit_is_out_of_memory(child):
    ask(child, "limit", limit_bytes=500_000_000)
    assert ask(child, "eat", n_bytes=10_000_000) == 10_000_000
    assert failure(child, "eat", n_bytes=2_000_000_000).cause == "out_of_memory"


def test_last_words_about_memory_make_a_crash_out_of_memory(child):
    caught = failure(child, "shout")
    assert caught.cause == "out_of_memory"
    assert "SIGABRT" in caught.message
    assert "bad_alloc" in caught.message


def test_closing_ends_grandchildren_too(child):
    grandchild = ask(child, "spawn")
    assert psutil.pid_exists(grandchild)
    child.close()
    child.close()
    assert is_gone(grandchild)


@pytest.mark.parametrize("busy", [False, True])
def test_nothing_is_left_when_the_parent_is_killed(busy):
    program = (
        "from tuner.engines.worker import Worker; import time\n"
        "child = Worker('echo_worker', {})\n"
        "pids = child.pid, child.call({'op': 'spawn'}, limit_s=20, silence_s=20)\n"
        "print(*pids, flush=True)\n"
        f"busy = {busy}\n"
        "child.call({'op': 'beat_for', 'seconds': 600}, limit_s=600, silence_s=600) if busy "
        "else time.sleep(600)\n"
    )
    environment = {**os.environ, "PYTHONPATH": f"{HERE}{os.pathsep}{HERE.parents[1]}"}
    parent = subprocess.Popen(
        [sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True
    )
    pids = [int(word) for word in parent.stdout.readline().split()]
    assert len(pids) == 2
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert all(is_gone(pid) for pid in pids)
