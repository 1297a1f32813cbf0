"""Whatever ends a study, its folder says what is known."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest
from test_running import SPACE

from tuner import UserError, load
from tuner.run.ending import is_disk_full, reserved_space

PROGRAM = """
import json, sys, time
from pathlib import Path
flag = Path(sys.argv[0]).with_name("slow")
if flag.exists():  # only the first run
    flag.unlink()
    time.sleep(5)
time.sleep(0.05)
batch, beams = map(int, sys.argv[1:])
print(json.dumps({"joules_per_request": beams * (1 + 4 / batch), "accuracy": 0.5 + 0.1 * beams}))
"""


def study(folder, *options):
    (folder / "toy.uvl").write_text(SPACE)
    (folder / "toy.py").write_text(PROGRAM)
    return [
        sys.executable, "-m", "tuner.cli", "run",
        "--command", f"{sys.executable} {folder / 'toy.py'} {{batch}} {{beams}}",
        "--space", str(folder / "toy.uvl"), "--out", str(folder / "out"),
        "--objective", "joules_per_request:min", "--objective", "accuracy:max", *options,
    ]  # fmt: skip


def ended_by(number, folder, when, *options):
    """Send a signal to a study once its output has a word; its status and output."""
    process = subprocess.Popen(
        study(folder, *options), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    lines = []
    for line in process.stdout:
        lines.append(line)
        if when in line:
            process.send_signal(number)
            break
    rest, _ = process.communicate(timeout=60)
    return process.returncode, "".join(lines) + rest


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(("when", "options"), [
    ("trial 3:", ()), ("verification: block 2", ("--max-time", "20s", "--max-trials", "8")),
])  # fmt: skip
def test_a_signal_in_search_or_verification_leaves_a_result(tmp_path, number, when, options):
    status, words = ended_by(number, tmp_path, when, *options)
    assert status == (130 if number == signal.SIGINT else 143)
    assert "Traceback" not in words
    assert "result.json says what is known" in words
    result = load(tmp_path / "out")
    by = "Ctrl-C" if number == signal.SIGINT else "SIGTERM"
    assert result.stopped_by == f"ended by {by}"
    assert result.default_measurement is not None
    assert result.recommended
    assert not (tmp_path / "out" / ".reserved").exists()
    verified = [r for r in result.recommended if r.verified]
    assert bool(verified) == ("verification" in when)


@pytest.mark.slow
def test_a_signal_before_anything_is_measured_leaves_a_result_that_says_so(tmp_path):
    (tmp_path / "slow").write_text("")
    status, words = ended_by(signal.SIGINT, tmp_path, "searching", "--seed", "1")
    assert status == 130
    assert "Traceback" not in words
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert result["stopped_by"] == "ended by Ctrl-C"
    assert result["recommended"] == []
    again = subprocess.run(
        study(tmp_path, "--seed", "1", "--max-trials", "3", "--verify-rounds", "2"),
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert load(tmp_path / "out").recommended, again.stdout


@pytest.mark.slow
def test_a_study_that_was_ended_goes_on_and_keeps_what_was_verified(tmp_path):
    options = ("--max-trials", "8", "--verify-rounds", "4")
    ended_by(signal.SIGINT, tmp_path, "verification: block 3", *options)
    log = (tmp_path / "out" / "verification.jsonl").read_text().splitlines()
    again = subprocess.run(
        study(tmp_path, *options), capture_output=True, text=True, timeout=60, check=True
    )
    assert "verification: block 1," not in again.stdout
    blocks = [json.loads(x)["block"] for x in (tmp_path / "out" / "verification.jsonl").open()]
    assert blocks[: len(log)] == [json.loads(line)["block"] for line in log]
    assert blocks == sorted(set(blocks))
    assert load(tmp_path / "out").stopped_by == "limit of 8 trials reached"


@pytest.mark.slow
def test_a_time_limit_holds_the_verification_too(tmp_path):
    began = time.monotonic()
    subprocess.run(
        study(tmp_path, "--max-time", "12s"), capture_output=True, timeout=60, check=True
    )
    result = load(tmp_path / "out")
    assert result.seconds <= 12.0
    assert result.recommended
    assert time.monotonic() - began < 60


def test_space_is_kept_on_the_disk_and_freed(tmp_path):
    with reserved_space(tmp_path):
        assert (tmp_path / ".reserved").stat().st_blocks * 512 >= 1 << 20
    assert not (tmp_path / ".reserved").exists()


def test_a_full_disk_is_known_whoever_says_so(tmp_path, monkeypatch):
    import errno
    import os

    full = OSError(errno.ENOSPC, "No space left on device")
    wrapped = RuntimeError("the storage broke")
    wrapped.__cause__ = RuntimeError("(sqlite3.OperationalError) database or disk is full")
    assert is_disk_full(full)
    assert is_disk_full(wrapped)
    assert not is_disk_full(RuntimeError("something else"))

    def refuse(*_):
        raise full

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    with pytest.raises(UserError, match="is full"), reserved_space(tmp_path):
        pass
