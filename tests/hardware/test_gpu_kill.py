"""GPUs come back as they were however the tuner ends: error, signal, SIGKILL at any moment."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tuner.errors import UserError
from tuner.hardware import SETTINGS, GpuControl, left_over, restore

CONTROLLING = Path(__file__).with_name("controlling.py")


def start(how, seed="0", until="begins"):
    """A tuner in a process group of its own, at work."""
    process = subprocess.Popen(
        [sys.executable, str(CONTROLLING), how, seed],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    for line in process.stdout:
        if line.strip() == until:
            return process
    raise AssertionError(process.communicate()[1])


def end(process, *, group=False, number=signal.SIGKILL):
    (os.killpg if group else os.kill)(process.pid, number)
    process.communicate()
    return process.returncode


def two_boards(boards, pause_us=0):
    boards.add("GPU-aaaa", limit=350_000, pause_us=pause_us)
    boards.add("GPU-bbbb", limit=275_000, persistence=0, pause_us=pause_us)
    return boards.all()


def kill_at_random_moments(boards, times, seed):
    """Number of kills that hit while something was changed."""
    before = two_boards(boards, pause_us=500)
    draw = random.Random(seed)
    hit = 0
    for run in range(times):
        process = start("loop", str(run))
        time.sleep(draw.uniform(0, 0.7))
        end(process, group=draw.random() < 0.5)
        hit += boards.all() != before
        boards.wait_until_free()
        assert boards.all() == before, f"run {run}"
        assert not list(boards.journals.glob("*.json")), f"run {run}"
    return hit


def test_a_kill_at_any_moment_leaves_the_gpus_as_they_were(boards):
    kill_at_random_moments(boards, 4, seed=1)


@pytest.mark.slow
def test_a_hundred_kills_of_a_hundred_leave_the_gpus_as_they_were(boards):
    assert kill_at_random_moments(boards, 100, seed=2) >= 10


@pytest.mark.parametrize("group", [False, True])
def test_a_kill_while_all_is_changed(boards, group):
    before = two_boards(boards)
    process = start("wait", until="changed")
    assert all(
        board.gpu == (345, 345) and board.limit == 100_000 for board in boards.all().values()
    )
    assert end(process, group=group) == -signal.SIGKILL
    boards.wait_until_free()
    assert boards.all() == before
    assert left_over() == ()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
@pytest.mark.parametrize("watched", [True, False])
def test_signals_that_end_the_tuner_restore_first(boards, number, watched):
    before = two_boards(boards)
    process = start("wait", until="changed")
    if not watched:
        (watchdog,) = boards.watchdogs()
        os.kill(watchdog, signal.SIGKILL)
    assert end(process, number=number) == -number
    assert boards.all() == before
    assert not list(boards.journals.glob("*.json"))


def test_a_handler_that_was_there_before_is_the_one_that_decides(boards):
    before = two_boards(boards)
    process = start("handler", until="changed")
    assert end(process, number=signal.SIGTERM) == 7
    assert boards.all() == before


def test_an_error_restores(boards):
    before = two_boards(boards)
    process = start("raise", until="changed")
    assert "as an engine might" in process.communicate()[1]
    assert process.returncode == 1
    assert boards.all() == before


def test_leaving_without_giving_back_restores(boards):
    before = two_boards(boards)
    code = (
        "from tuner.hardware import GpuControl; c = GpuControl(['power_limit_w']); "
        "c.__enter__().apply({'power_limit_w': 150})"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert boards.all() == before
    assert left_over() == ()


def test_a_fork_of_the_tuner_neither_restores_nor_keeps_others_from_it(boards):
    before = two_boards(boards)
    with GpuControl(["power_limit_w"]) as gpu:
        gpu.apply({"power_limit_w": 150})
        if (fork := os.fork()) == 0:
            gpu.close()
            os._exit(0)
        os.waitpid(fork, 0)
        assert boards["GPU-aaaa"].limit == 150_000
    code = (
        "import os, time; from tuner.hardware import GpuControl; "
        "c = GpuControl(['power_limit_w']).__enter__(); c.apply({'power_limit_w': 150}); "
        "fork = os.fork() or (time.sleep(60), os._exit(0)); print(fork, flush=True); "
        "time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        fork = int(process.stdout.readline())
        assert boards["GPU-aaaa"].limit == 150_000
        process.kill()
        patience = time.monotonic() + 30
        while boards.all() != before and time.monotonic() < patience:
            time.sleep(0.02)
        os.kill(fork, signal.SIGKILL)
    assert boards.all() == before


def kill_tuner_and_watchdog(boards):
    process = start("wait", until="changed")
    (watchdog,) = boards.watchdogs()
    os.kill(watchdog, signal.SIGKILL)
    end(process)
    boards.wait_until_free()


def test_what_nobody_restored_is_noticed_and_restored_at_the_next_start(boards):
    before = two_boards(boards)
    kill_tuner_and_watchdog(boards)
    assert boards.all() != before
    assert [journal.uuid for journal in left_over()] == ["GPU-aaaa", "GPU-bbbb"]
    told = []
    with GpuControl(["power_limit_w"], uuids=["GPU-bbbb"], say=told.append):
        assert boards["GPU-bbbb"] == before["GPU-bbbb"]
    assert len(told) == 1
    assert "GPU-bbbb" in told[0]
    assert "275 W" in told[0]
    (journal,) = left_over()
    assert "350 W" in restore(journal)
    assert boards.all() == before
    assert left_over() == ()


def test_a_gpu_that_has_vanished_keeps_its_journal_and_does_not_keep_others_back(boards):
    before = two_boards(boards)
    kill_tuner_and_watchdog(boards)
    boards.take_away("GPU-aaaa")
    with GpuControl(SETTINGS, say=lambda words: None) as gpu:
        assert gpu.uuids == ("GPU-bbbb",)
    assert boards["GPU-bbbb"] == before["GPU-bbbb"]
    (journal,) = left_over()
    with pytest.raises(UserError, match=r"GPU-aaaa .*not there.*Remove .*GPU-aaaa\.json"):
        restore(journal)
    assert [left.uuid for left in left_over()] == ["GPU-aaaa"]


def test_a_journal_of_an_earlier_start_of_the_machine_is_dropped(boards):
    two_boards(boards)
    kill_tuner_and_watchdog(boards)
    path = boards.journals / "GPU-aaaa.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "boot": "another"}))
    boards.change("GPU-aaaa", limit=420_000)  # set by whoever sets it when the machine starts
    journal, other = left_over()
    assert "started anew" in restore(journal)
    assert boards["GPU-aaaa"].limit == 420_000
    restore(other)
    assert left_over() == ()


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "",
        lambda text: "[]",
        lambda text: text.replace("350000", "-1"),
        lambda text: text.replace("GPU-aaaa", "GPU-bbbb"),
        lambda text: text.replace('"format": 1', '"format": 2'),
        lambda text: text.replace("gpu_clock_mhz", "fan_speed"),
    ],
)
def test_a_damaged_journal_is_named_with_what_to_do(boards, damage):
    before = boards.add()
    code = (
        "import os; from tuner.hardware import GpuControl; "
        "GpuControl(['gpu_clock_mhz', 'power_limit_w']).__enter__(); "
        "os.kill(os.getpid(), 19)"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    path = boards.journals / "GPU-aaaa.json"
    os.waitpid(process.pid, os.WUNTRACED)
    text = path.read_text()
    for pid in boards.watchdogs():
        os.kill(pid, signal.SIGKILL)
    process.kill()
    process.wait()
    boards.wait_until_free()
    path.write_text(damage(text))
    for ask in (left_over, GpuControl(SETTINGS).__enter__):
        with pytest.raises(UserError, match=r"GPU-aaaa\.json cannot be read.*nvidia-smi"):
            ask()
    assert boards["GPU-aaaa"] == before


@pytest.mark.parametrize("where", ["fsync", "replace"])
def test_a_kill_while_the_journal_is_written_changes_nothing(boards, where):
    before = two_boards(boards)
    owner = "os" if where == "fsync" else "pathlib.Path"
    code = (
        "import os, pathlib; from tuner.hardware import SETTINGS, GpuControl; "
        f"{owner}.{where} = lambda *a: os.kill(os.getpid(), 9); "
        "GpuControl(SETTINGS).__enter__()"
    )
    process = subprocess.run([sys.executable, "-c", code], check=False)
    assert process.returncode == -signal.SIGKILL
    boards.wait_until_free()
    assert boards.all() == before
    assert left_over() == ()
    with GpuControl(SETTINGS) as gpu:
        gpu.apply({"power_limit_w": 150})
    assert boards.all() == before
