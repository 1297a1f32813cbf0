"""Hold what a study claims against the truth, and its time limit against the clock.

Runs `tune run` on the built-in models several times under a time limit, with so many busy loops
beside it, and notes how long each took. Then, with nothing beside, every recommended configuration
is measured again next to the default in many blocks: the quiet truth. Each ratio to the default
that a run printed is a claim. It is wrong where the truth (its whole 95 % interval) lies outside of
the interval claimed.

    python benchmarks/claims.py run --runs 10 --loops 1 --max-time 2m --out claims/one-loop
    python benchmarks/claims.py judge claims/one-loop [--blocks 12]
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tuner.advice.paired import PairedMeasurement, ratio_to_default
from tuner.measure import KeepGoing, Window
from tuner.run.setup import set_up
from tuner.search import Objective
from tuner.space import Configuration
from tuner.study import StudySpec
from tuner.study.session import Session

METRICS = ("joules_per_request", "mean_e2el_ms")
WINDOW_S = 2.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True)
    run = commands.add_parser("run")
    run.add_argument("--runs", type=int, default=10)
    run.add_argument("--loops", type=int, default=1)
    run.add_argument("--max-time", default="2m")
    run.add_argument("--out", type=Path, required=True)
    run.set_defaults(do=run_studies)
    judge = commands.add_parser("judge")
    judge.add_argument("folders", type=Path, nargs="+")
    judge.add_argument("--blocks", type=int, default=12)
    judge.set_defaults(do=judge_claims)
    options = parser.parse_args()
    options.do(options)


def run_studies(options: argparse.Namespace) -> None:
    options.out.mkdir(parents=True, exist_ok=True)
    with busy_loops(options.loops):
        for seed in range(options.runs):
            began = time.monotonic()
            folder = options.out / f"run-{seed}"
            command = [sys.executable, "-m", "tuner.cli", "run", "--max-time", options.max_time]
            done = subprocess.run(
                [*command, "--seed", str(seed), "--out", str(folder)],
                capture_output=True,
                text=True,
                check=False,
            )
            seconds = time.monotonic() - began
            entry = {"seed": seed, "seconds": round(seconds, 1), "status": done.returncode}
            with (options.out / "times.jsonl").open("a") as file:
                file.write(json.dumps(entry) + "\n")
            print(f"run {seed}: status {done.returncode} after {seconds:.1f} s", flush=True)


def judge_claims(options: argparse.Namespace) -> None:
    """Measure the quiet truth of everything recommended, and hold the claims against it."""
    results = {f: json.loads(f.read_text()) for d in options.folders for f in _results(d)}
    wanted = {
        Configuration.of(r["configuration"])
        for result in results.values()
        for r in result["recommended"]
    }
    truth = quiet_truth(sorted(wanted, key=repr), options.blocks)
    for folder in options.folders:
        _report(folder, [results[f] for f in _results(folder)], truth)


def quiet_truth(
    configurations: Sequence[Configuration], blocks: int
) -> dict[tuple[Configuration, str], tuple[float, float, float]]:
    """The ratio to the default with its interval, by configuration and metric."""
    spec = StudySpec.of(models=("builtin",))
    objectives = {name: Objective.parse(f"{name}:min") for name in METRICS}
    go_on: KeepGoing = lambda: True  # noqa: E731
    with set_up(spec) as setup:
        session = Session(setup.space, tuple(objectives.values()))
        evaluator = setup.evaluator(session, (), (), lambda event: None)
        default = setup.space.default
        windows: dict[Configuration, list[Window]] = {c: [] for c in {default, *configurations}}
        for block in range(blocks):
            for configuration, measured_ones in windows.items():
                window = evaluator.window(configuration, block, WINDOW_S, go_on)
                measured_ones.append(window)
            print(f"quiet block {block + 1} of {blocks}", file=sys.stderr, flush=True)
        measured = {c: evaluator.combined(c, w[1:]) for c, w in windows.items()}
    found = {}
    for configuration in configurations:
        pair = PairedMeasurement(measured[configuration], measured[default])
        for name, objective in objectives.items():
            ratio = ratio_to_default(objective, pair)
            assert ratio is not None
            found[configuration, name] = (ratio.value, ratio.low, ratio.high)
    return found


def _results(folder: Path) -> list[Path]:
    return sorted(folder.glob("run-*/result.json"))


def _report(
    folder: Path,
    results: Sequence[dict[str, Any]],
    truth: dict[tuple[Configuration, str], tuple[float, float, float]],
) -> None:
    times = [json.loads(line)["seconds"] for line in (folder / "times.jsonl").open()]
    print(f"\n{folder}: {len(results)} runs, {min(times):.1f} to {max(times):.1f} s")
    for name in METRICS:
        resolved = wrong = unresolved = 0
        reaches, taken = [], []
        for result in results:
            default = Configuration.of(result["default"]["configuration"])
            for recommended in result["recommended"]:
                configuration = Configuration.of(recommended["configuration"])
                claim = recommended["versus_default"].get(name)
                if configuration == default or not claim or not recommended["verified"]:
                    continue
                if claim["change_low_percent"] is None:
                    unresolved += 1
                    continue
                low, high = (1 + claim[f"change_{end}_percent"] / 100 for end in ("low", "high"))
                value = 1 + claim["change_percent"] / 100
                _, true_low, true_high = truth[configuration, name]
                wrong += true_high < low or true_low > high
                taken.append(claim["foreign"])
                if claim["resolved"]:
                    resolved += 1
                    reaches.append(max(high / value - 1, 1 - low / value))
                else:
                    unresolved += 1
        widest = f"{statistics.median(reaches):.0%}, at most {max(reaches):.0%}" if reaches else "-"
        share = f"{statistics.median(taken):.0%}" if taken else "-"
        print(
            f"  {name}: {resolved} claims resolved (median reach {widest}), {unresolved} not "
            f"resolved, {wrong} wrong; others took {share} of the machine in the median"
        )


@contextmanager
def busy_loops(n: int) -> Iterator[None]:
    context = multiprocessing.get_context("spawn")
    loops = [context.Process(target=_burn, args=(os.getpid(),), daemon=True) for _ in range(n)]
    for loop in loops:
        loop.start()
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.join()


def _burn(parent: int) -> None:
    while os.getppid() == parent:
        end = time.perf_counter() + 0.1
        while time.perf_counter() < end:
            pass


if __name__ == "__main__":
    main()
