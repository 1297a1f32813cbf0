"""Leave a large study alone, and check that it ends by itself with every trial accounted for.

Runs `tune run` on the largest built-in model in a process of its own, waits for it, and then reads
what it wrote. It prints how the trials ended and what was found wrong, and ends with status 1 if
anything was. Takes about 10 s a trial on two cores.

    python benchmarks/long_study.py --out FOLDER [--trials 100] [--model builtin:large]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--model", default="builtin:large")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    command = [sys.executable, "-m", "tuner.cli", "run", "--model", options.model]
    command += ["--max-trials", str(options.trials), "--seed", str(options.seed)]
    command += ["--out", str(options.out)]
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    started: dict[int, psutil.Process] = {}
    while process.poll() is None:
        for child in _descendants(process.pid):
            started[child.pid] = child
        time.sleep(1.0)
    if process.returncode:
        sys.exit(f"tune run ended with status {process.returncode}")
    result = json.loads((options.out / "result.json").read_text())
    report(result, time.monotonic() - began)
    wrong = [*accounting(result, options.out, options.trials), *left_over(started)]
    for problem in wrong:
        print(f"WRONG: {problem}")
    if wrong:
        sys.exit(1)
    print("every trial is accounted for, and no process was left over")


def report(result: dict[str, Any], seconds: float) -> None:
    trials = result["trials"]
    states = Counter(trial["state"] for trial in trials)
    causes = Counter(trial["failure"]["cause"] for trial in trials if trial["failure"])
    validity = Counter(trial["validity"] for trial in trials if trial["state"] == "complete")
    measured = sum(trial["seconds"] or 0.0 for trial in trials)
    print(f"{len(trials)} trials in {seconds / 60:.1f} min, {measured / 60:.1f} of them measuring")
    print(f"stopped by: {result['stopped_by']}")
    for title, counter in (("state", states), ("cause", causes), ("validity", validity)):
        for name, n in counter.most_common():
            print(f"{title:10} {name:16} {n:4}")


def accounting(result: dict[str, Any], folder: Path, limit: int) -> Iterator[str]:
    """What is wrong with the books: one sentence each."""
    trials = result["trials"]
    if [trial["number"] for trial in trials] != list(range(len(trials))):
        yield "the trials are not numbered without gaps"
    if not trials or len(trials) > limit:
        yield f"{len(trials)} trials where at most {limit} were asked for"
    if not result["stopped_by"]:
        yield "nothing says why it stopped"
    seen = Counter(json.dumps(trial["configuration"], sort_keys=True) for trial in trials)
    if repeated := sum(n > 1 for n in seen.values()):
        yield f"{repeated} configurations were measured more than once"
    metrics = [objective.split(":")[0] for objective in result["objectives"]]
    for trial in trials:
        number, state = trial["number"], trial["state"]
        if state == "complete" and not set(metrics) <= set(trial["metrics"]):
            yield f"trial {number} is complete, but lacks an objective"
        if state == "failed" and not (trial["failure"] and trial["failure"]["message"]):
            yield f"trial {number} failed, but nothing says why"
        if state not in ("complete", "failed"):
            yield f"trial {number} is {state}"
    for name in ("study.db", "spec.json", "result.json", "trials.csv"):
        if not (folder / name).is_file():
            yield f"{name} was not written"
    rows = (folder / "trials.csv").read_text().count("\n") - 1
    if rows < len(trials):
        yield f"trials.csv has {rows} rows for {len(trials)} trials"


def left_over(started: dict[int, psutil.Process]) -> Iterator[str]:
    time.sleep(2.0)
    for process in started.values():
        if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            yield f"process {process.pid} is still there: {' '.join(process.cmdline())}"


def _descendants(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []


if __name__ == "__main__":
    main()
