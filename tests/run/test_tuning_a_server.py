"""A real server, real traffic, a service level: `transformers serve` tuned from end to end."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

import psutil
import pytest

SHARED = Path(os.environ.get("TUNER_SHARED", Path(__file__).parents[2] / ".." / "shared"))
TRACE = SHARED / "traces" / "azure2023_conv.csv"
LEVELS = ["p99_ttft_ms<30000", "median_e2el_ms<=default*1.5"]
TRIALS = 9
OPTIONS = [
    "--launch", "transformers", "--model", "builtin:small",
    "--workload", str(TRACE), "--scale", "32", "-n", "16", "--rate", "closed",
    *(word for level in LEVELS for word in ("--slo", level)),
    "--set", "concurrency=8", "--set", "dtype=auto", "--set", "attention=ModelsAttention",
    "--set", "search=OneByOne", "--set", "cache=GrowingCache",
    "--max-trials", str(TRIALS), "--seconds-per-trial", "3", "--verify-rounds", "2", "--json",
]  # fmt: skip

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1500),
    pytest.mark.skipif(not TRACE.is_file(), reason="the traces of ../shared are not there"),
    pytest.mark.skipif(
        any(importlib.util.find_spec(name) is None for name in ("fastapi", "uvicorn", "openai")),
        reason="the extra `serve` is not installed",
    ),
]


MARK = "TUNER_TEST_SERVING_STUDY"


def left_over(mark):
    """Processes that still run and descend from the study: they have its mark from it."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.cmdline())
        except psutil.Error:
            continue
    return found


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    out = tmp_path_factory.mktemp("serving") / "out"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", MARK: str(out)}
    done = subprocess.run(
        [sys.executable, "-m", "tuner.cli", "run", *OPTIONS, "--out", str(out)],
        capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not left_over(str(out))
    return out, json.loads(done.stdout)


def test_the_study_measured_starts_and_requests(study):
    _, result = study
    complete = [t for t in result["trials"] if t["state"] == "complete"]
    configurations = {json.dumps(t["configuration"], sort_keys=True) for t in complete}
    assert len(configurations) >= 5
    for feature in ("batching", "token_choice"):  # told at the start, told with each request
        assert len({t["configuration"][feature] for t in complete}) > 1
    for trial in complete:
        metrics = trial["metrics"]
        assert metrics["mean_ttft_ms"]["value"] <= metrics["mean_e2el_ms"]["value"]
        assert metrics["joules_per_request"]["source"] == "estimated"


def test_what_is_recommended_keeps_the_levels_and_says_how_surely(study):
    out, result = study
    assert result["recommended"]
    assert result["unmet"] is None
    for recommendation in result["recommended"]:
        checks = {c["level"]: c for c in recommendation["service_levels"]}
        assert set(checks) == set(LEVELS)
        assert all(c["holds"] and 0.5 <= c["chance"] <= 1 for c in checks.values())
        assert recommendation["metrics"]["p99_ttft_ms"]["value"] < 30000
        name = recommendation["roles"][0].replace(" ", "-")
        script = (out / "recommended" / name / "serve.sh").read_text()
        assert "--port 8000" in script
        batched = recommendation["configuration"]["batching"] == "ContinuousBatching"
        assert ("--continuous-batching" in script.replace("--no-continuous", "")) == batched


def test_continuous_batching_shows_as_an_effect(study):
    """Requests that share their steps take less of the processor than one after the other."""
    _, result = study
    joules = {True: [], False: []}
    for trial in result["trials"]:
        if trial["state"] == "complete":
            batched = trial["configuration"]["batching"] == "ContinuousBatching"
            joules[batched].append(trial["metrics"]["joules_per_request"]["value"])
    assert min(map(len, joules.values())) >= 2
    assert median(joules[True]) < 0.9 * median(joules[False])
    told = [e for e in result["effects"] if e["feature"] == "batching"]
    assert {e["value"] for e in told} == {"OneAfterAnother", "ContinuousBatching"}
