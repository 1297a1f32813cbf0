"""`tune compare` on something that is measured, from the command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tuner.cli import main

SPACE = """
features
    Toy {abstract}
        mandatory
            Integer batch {values [1, 2, 4, 8, 16], log true, default 1, role 'request'}
            Integer beams {values [1, 2, 3, 4], default 1, role 'request'}
"""
PROGRAM = """
import json, sys, time
batch, beams, pause = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
time.sleep(pause)
print(json.dumps({"joules_per_request": beams * (1 + 4 / batch), "accuracy": 0.5 + 0.1 * beams}))
"""
BUILTIN = [
    "--model", "builtin:small", "--prompts", "8", "--seconds-per-trial", "0.5",
    "--set", "threads=1", "--set", "search=OneByOne", "--set", "token_choice=Greedy",
    "--samplers", "pareto,random", "--seeds", "1",
]  # fmt: skip


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("toy.uvl").write_text(SPACE)
    Path("toy.py").write_text(PROGRAM)


INTERRUPTIBLE = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("tuner.cli", run_name="__main__")
"""
"""A shell that runs the tests in the background lets all that they start ignore SIGINT."""


def toy(pause_s=0.0):
    program = f"{sys.executable} toy.py {{batch}} {{beams}} {pause_s}"
    objectives = ("--objective", "joules_per_request:min", "--objective", "accuracy:max")
    return ["--command", program, "--space", "toy.uvl", *objectives]


def compare(monkeypatch, capsys, *words):
    monkeypatch.setattr(sys, "argv", ["tune", "compare", *map(str, words)])
    status = 0
    try:
        main()
    except SystemExit as end:
        status = end.code or 0
    return status, capsys.readouterr()


@pytest.mark.slow
def test_a_live_comparison_has_a_table_a_plot_and_json(monkeypatch, capsys):
    words = [*toy(), "--seeds", 1, "--max-trials", 3, "--samplers", "pareto,random", "--out", "a"]
    status, shown = compare(monkeypatch, capsys, *words, "--json")
    assert status == 0
    told = json.loads(shown.out)
    assert told == json.loads(Path("a/comparison.json").read_text())
    assert Path("a/comparison.png").read_bytes().startswith(b"\x89PNG")
    assert set(told["samplers"]) == {"pareto", "random"}
    assert [(run["sampler"], len(run["measured"])) for run in told["runs"]] == [
        ("pareto", 3),
        ("random", 3),
    ]
    assert (told["size"], told["proposals"]) == (20, 6)
    assert told["front"]
    assert "pareto, seed 0 | measured: joules_per_request" in shown.err
    status, again = compare(monkeypatch, capsys, *words, "--plot", "more/plot.png")
    assert status == 0
    assert "going on after 6 proposals" in again.err
    assert f"6 proposals took {told['measurements']} measurements" in again.out
    assert Path("more/plot.png").exists()
    status, other = compare(monkeypatch, capsys, *words, "--set", "beams=2")
    assert status == 2
    assert "another --out" in other.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--features", "a,b"], ["--features", "table"]),
        (["t.csv", "--model", "builtin", "--max-time", "5m"], ["--model, --max-time", "a table"]),
        (["t.csv", "--set", "a=1"], ["--set", "a table"]),
        (["t.csv"], ["--objective is missing"]),
        (["--samplers", "pareto,magic"], ["no sampler 'magic'", "tpe"]),
        (["--seeds", "0"], ["--seeds 0", "at least 1"]),
        (["--max-trials", "0"], ["--max-trials 0", "at least 1"]),
        (["--max-time", "soon"], ["--max-time soon", "8m"]),
        (["--model", "builtin:huge"], ["builtin:huge", "builtin:small"]),
        (["--model", "./here"], ["--task"]),
        (["--objective", "mean_ttf_ms:min"], ["mean_ttf_ms", "mean_ttft_ms"]),
        (["--out", "toy.py"], ["toy.py", "folder"]),
    ],
)
def test_a_mistake_is_named_with_its_remedy(monkeypatch, capsys, words, says):
    Path("t.csv").write_text("a,b\n1,2\n2,1\n")
    status, shown = compare(monkeypatch, capsys, *words)
    assert status == 2
    for part in says:
        assert part in shown.err


@pytest.mark.slow
def test_an_interruption_shows_what_is_there_and_can_be_gone_on_from():
    words = [sys.executable, "-m", "tuner.cli", "compare", *toy(0.2), "--seeds", "1"]
    words += ["--max-trials", "6", "--samplers", "pareto,random", "--out", "a"]
    process = subprocess.Popen(
        [words[0], "-c", INTERRUPTIBLE, *words[3:], "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    lines = (line for line in process.stderr if "measured:" in line)
    assert len([next(lines) for _ in range(3)]) == 3
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    told = json.loads(out)
    assert told["stopped_by"] == "it was interrupted"
    assert 3 <= told["proposals"] < 12
    assert "--out a goes on from there" in err
    again = subprocess.run([*words, "--json"], capture_output=True, text=True, check=True)
    after = json.loads(again.stdout)
    assert after["proposals"] == 12
    for run, before in zip(after["runs"], told["runs"], strict=True):
        kept = [entry["configuration"] for entry in before["measured"]]
        assert [entry["configuration"] for entry in run["measured"][: len(kept)]] == kept


@pytest.mark.slow
def test_a_model_on_this_machine_is_compared_by_the_real_protocol(monkeypatch, capsys):
    began = time.monotonic()
    words = [*BUILTIN, "--max-trials", 4, "--json", "--out", "a"]
    status, shown = compare(monkeypatch, capsys, *words)
    assert status == 0
    told = json.loads(shown.out)
    assert told["objectives"] == ["joules_per_request:min", "mean_e2el_ms:min", "accuracy:max"]
    assert told["proposals"] == 8
    assert 4 <= told["measurements"] <= 8
    assert 0 < told["seconds"] <= time.monotonic() - began
    entries = [entry for run in told["runs"] for entry in run["measured"]]
    assert all(entry["configuration"] for entry in entries)
    worked = [entry["values"] for entry in entries if entry["values"]]
    assert worked
    assert all(v["joules_per_request"] > 0 and 0 <= v["accuracy"] <= 1 for v in worked)
    assert max(run["hypervolume"]["log"][-1] for run in told["runs"]) <= 1 + 1e-9
