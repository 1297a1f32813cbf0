"""A whole study on a built-in model: search, kill, resume, verification, files."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tuner.tasks import builtin_task

pytestmark = pytest.mark.slow

PROMPTS = 24
OPTIONS = [
    "--model", "builtin:small", "--model", "builtin:base", "--prompts", str(PROMPTS),
    "--set", "threads=1", "--set", "search=OneByOne", "--set", "token_choice=Greedy",
    "--set", "dtype=float32", "--set", "cache=Dynamic", "--seed", "1", "--json",
]  # fmt: skip


def command(out: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "tuner.cli", "run", *OPTIONS, "--out", str(out), *more]


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> tuple[Path, dict, dict]:
    """A study killed in its middle and run again: its folder, what was on disk at the kill, the
    result.
    """
    out = tmp_path_factory.mktemp("study") / "out"
    first = subprocess.Popen(
        command(out, "--max-trials", "7"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 300
    while len(told(out)) < 3:
        assert first.poll() is None, first.stderr.read().decode()
        assert time.monotonic() < deadline
        time.sleep(0.2)
    children = psutil.Process(first.pid).children(recursive=True)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    assert not psutil.wait_procs(children, timeout=30)[1]
    before = told(out)
    again = subprocess.run(command(out, "--max-trials", "7"), capture_output=True, check=False)
    assert again.returncode == 0, again.stderr.decode()
    return out, before, json.loads(again.stdout)


def told(out: Path) -> dict[int, str]:
    """Measurements on disk by the number of the trial."""
    import sqlite3

    if not (out / "study.db").exists():
        return {}
    query = (
        "select t.number, a.value_json from trials t join trial_user_attributes a "
        "on t.trial_id = a.trial_id where a.key = 'tuner:measurement' and t.state != 'RUNNING'"
    )
    try:
        with sqlite3.connect(f"file:{out / 'study.db'}?mode=ro", uri=True) as database:
            return dict(database.execute(query).fetchall())
    except sqlite3.OperationalError:
        return {}


def test_a_killed_study_goes_on_where_it_stopped(study):
    out, before, result = study
    after = told(out)
    assert {number: after[number] for number in before} == before
    assert sum(t["state"] != "interrupted" for t in result["trials"]) == 7


def test_the_result_says_all_that_was_promised(study):
    _, _, result = study
    assert {"recommended", "front", "default", "trials", "stopped_by"} <= set(result)
    assert result["stopped_by"] == "limit of 7 trials reached"
    for trial in result["trials"]:
        if trial["state"] == "complete":
            energy = trial["metrics"]["joules_per_request"]
            assert energy["energy_source"] in ("estimated", "rapl", "nvml_counter", "nvml_power")
            assert {"value", "unit", "low", "high"} <= set(energy)
        if trial["state"] == "failed":
            assert trial["failure"]["cause"]
    assert result["trials"][0]["configuration"] == result["default"]["configuration"]


def test_recommendations_are_verified_compared_and_on_the_front(study):
    _, _, result = study
    assert result["recommended"]
    front = [point["configuration"] for point in result["front"]]
    for recommendation in result["recommended"]:
        assert recommendation["verified"]
        assert recommendation["configuration"] in front
        assert set(recommendation["versus_default"]) == {
            "joules_per_request",
            "mean_e2el_ms",
            "accuracy",
        }
        if {"cheapest", "fastest", "balanced"} & set(recommendation["roles"]):
            accuracy = recommendation["versus_default"]["accuracy"]
            assert accuracy["value"] >= accuracy["default"] - result["accuracy_tolerance"] - 1e-9


def test_the_files_are_what_the_engine_and_people_read(study):
    out, _, result = study
    assert json.loads((out / "result.json").read_text()) == result
    rows = list(csv.DictReader((out / "trials.csv").open()))
    assert [int(row["number"]) for row in rows] == [t["number"] for t in result["trials"]]
    assert (out / "front.png").read_bytes().startswith(b"\x89PNG")


def test_a_written_configuration_gives_the_accuracy_that_was_shown(study):
    """Runs the model by the written files alone, without the tuner's engine."""
    out, _, result = study
    recommendation = result["recommended"][0]
    folder = out / "recommended" / recommendation["roles"][0].replace(" ", "-")
    completions = run_by_hand(folder)
    scores = builtin_task(n=PROMPTS).grade(completions)
    shown = recommendation["metrics"]["accuracy"]["value"]
    assert sum(scores) / len(scores) == pytest.approx(shown)


def run_by_hand(folder: Path) -> list[str]:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

    from tuner.builtin_models import model_path

    engine = json.loads((folder / "engine.json").read_text())
    generation = GenerationConfig.from_pretrained(folder)
    generation.validate(strict=True)
    path = model_path(engine["load"]["model"])
    model = AutoModelForCausalLM.from_pretrained(
        path,
        dtype=engine["load"]["dtype"],
        attn_implementation=engine["load"]["attn_implementation"],
    )
    tokenizer = AutoTokenizer.from_pretrained(path, padding_side="left")
    texts, size, found = (
        [r.prompt for r in builtin_task(n=PROMPTS).requests],
        engine["harness"]["batch_size"],
        [],
    )
    for start in range(0, len(texts), size):
        batch = tokenizer(list(texts[start : start + size]), return_tensors="pt", padding=True)
        with torch.inference_mode():
            ids = model.generate(**batch, generation_config=generation)
        answers = ids[:, batch["input_ids"].shape[1] :]
        found += tokenizer.batch_decode(answers, skip_special_tokens=True)
    return found
