"""`tune gpu`: what a person reads, and what a script does."""

from __future__ import annotations

import json
import os
import signal

import pytest
from test_gpu_kill import kill_tuner_and_watchdog, two_boards

from tuner.cli import main
from tuner.hardware import GpuControl

NO_PERMISSION = 4


def tune(capsys, monkeypatch, *words):
    monkeypatch.setattr("sys.argv", ["tune", "gpu", *words])
    with pytest.raises(SystemExit) as caught:
        main()
    shown = capsys.readouterr()
    return caught.value.code or 0, shown.out, shown.err


def test_show_tells_limits_and_what_is_set(boards, capsys, monkeypatch):
    two_boards(boards)
    status, out, _ = tune(capsys, monkeypatch, "show")
    assert status == 0
    for words in ("GPU-aaaa  Fake GPU", "350 W, from 100 to 450 W; 400 W by default"):
        assert words in out
    for words in ("275 W", "110 from 345 to 1980 MHz", "1593, 2619 MHz", "off: the driver forgets"):
        assert words in out
    status, out, _ = tune(capsys, monkeypatch, "show", "--json")
    told = json.loads(out)
    assert [gpu["power_limit_w"] for gpu in told["gpus"]] == [350, 275]
    assert told["domains"]["memory_clock_mhz"] == [1593, 2619]
    assert told["left_over"] == []
    assert isinstance(told["may_control"], bool)


def test_show_on_a_machine_without_gpus_is_a_sentence(boards, capsys, monkeypatch):
    status, _, err = tune(capsys, monkeypatch, "show")
    assert status == 2
    assert err.startswith("tune: GPUs cannot be controlled")


def test_restore_sets_back_what_was_left_changed_and_says_so(boards, capsys, monkeypatch):
    before = two_boards(boards)
    status, out, _ = tune(capsys, monkeypatch, "restore")
    assert status == 0
    assert "nothing to restore" in out
    kill_tuner_and_watchdog(boards)
    _, out, _ = tune(capsys, monkeypatch, "show")
    assert "LEFT CHANGED: GPU-aaaa" in out
    status, out, _ = tune(capsys, monkeypatch, "restore")
    assert status == 0
    assert "GPU-aaaa (Fake GPU), changed by process" in out
    assert "power limit 350 W" in out
    assert "power limit 275 W" in out
    assert boards.all() == before
    _, out, _ = tune(capsys, monkeypatch, "restore")
    assert "nothing to restore" in out


def test_restore_without_permission_restores_what_it_can_and_exits_2(boards, capsys, monkeypatch):
    before = two_boards(boards)
    kill_tuner_and_watchdog(boards)
    boards.change("GPU-aaaa", power_code=NO_PERMISSION)
    status, out, err = tune(capsys, monkeypatch, "restore")
    assert status == 2
    assert "GPU-bbbb" in out
    assert "GPU-aaaa could not be set back" in err
    assert "Insufficient Permissions" in err
    assert "root" in err
    assert boards["GPU-bbbb"] == before["GPU-bbbb"]
    boards.change("GPU-aaaa", power_code=0)
    assert tune(capsys, monkeypatch, "restore")[0] == 0
    assert boards.all() == before


def test_restore_leaves_alone_what_a_tuner_controls(boards, capsys, monkeypatch):
    two_boards(boards)
    with GpuControl(["power_limit_w"]) as gpu:
        gpu.apply({"power_limit_w": 150})
        (watchdog,) = boards.watchdogs()
        os.kill(watchdog, signal.SIGTERM)  # which it does not heed
        status, out, _ = tune(capsys, monkeypatch, "restore")
        assert status == 0
        assert "nothing to restore" in out
        assert boards["GPU-aaaa"].limit == 150_000
        assert boards.watchdogs() == [watchdog]
        _, out, _ = tune(capsys, monkeypatch, "show")
        assert f"GPU-aaaa is controlled by process {os.getpid()}" in out
