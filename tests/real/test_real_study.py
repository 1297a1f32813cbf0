"""A whole study of the real model in the time that it is given."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

pytestmark = [pytest.mark.real, pytest.mark.slow]

LIMIT_S = 80.0
QUESTIONS = 12
START_AND_END_S = 30.0
"""For Python to start beside other tests, and for the engine to end."""


@pytest.mark.timeout(300)
def test_a_study_keeps_its_time_and_recommends_something(real, tmp_path):
    out, task = tmp_path / "study", tmp_path / "capitals.jsonl"
    lines = real.questions.read_text().splitlines(keepends=True)
    task.write_text("".join([line for line in lines if '"capital"' in line][:QUESTIONS]))
    # One thread, so that a study beside other tests gets as far as one that is alone.
    pins = ["--set", "max_new_tokens=16", "--set", "threads=1"]
    options = ["--model", real.model, "--task", task, *pins]
    limits = ["--max-time", f"{LIMIT_S:g}s", "--seconds-per-trial", "4"]
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "tuner.cli", "run", *options, *limits, "--out", out, "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    took = time.monotonic() - began
    assert done.returncode == 0, done.stderr
    assert took < 1.05 * LIMIT_S + START_AND_END_S
    result = json.loads(done.stdout)
    assert result == json.loads((out / "result.json").read_text())
    assert result["recommended"]
    assert all("joules_per_request" in r["metrics"] for r in result["recommended"])
