"""Seconds of measurement to a share of the front: this tuner against others, on timed tables.

    python benchmarks/time_to_front.py --before ../earlier --out benchmarks/results/seconds.jsonl
    python benchmarks/time_to_front.py --out benchmarks/results/seconds.jsonl --show --plot docs/img

Tables of `measure_table.py` are replayed with what each measurement took as its cost; what a
suggestion takes is left out. Everybody begins with the default. A row beyond ten times the
default's energy or latency counts for nothing, and this tuner ends it as soon as that is sure
(`TimedTable.seconds`); others know no such limits, get all values and pay all seconds. `random,
ended early` shows what the ending alone is worth. `--before` is a checkout of the tuner as it was,
whose own code is run. Runs are appended as they end, and what is there is not run again.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import warnings
from collections import defaultdict
from pathlib import Path

import numpy as np
from seconds_replay import AS_IT_WAS, DOMAINS, STRATEGIES, TimedTable, play

SHARES = (0.90, 0.95)
Runs = dict[tuple[str, str], list[dict]]


def main() -> None:
    arguments = _arguments()
    if not arguments.show:
        _run(arguments)
    runs = _by_table(arguments.out)
    _show(runs)
    if arguments.plot is not None:
        _plot(runs, arguments.plot / "time-to-front.png")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="JSON lines, one per run")
    parser.add_argument("--tables", default=",".join(DOMAINS))
    parser.add_argument("--samplers", nargs="*", default=list(STRATEGIES))
    parser.add_argument("--before", type=Path, help="checkout of the tuner as it was")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--max-rows", type=int, default=120)
    parser.add_argument("--until", type=float, default=0.95, help="end runs at this share")
    parser.add_argument("--show", action="store_true", help="only show what is in the file")
    parser.add_argument("--plot", type=Path, help="folder for a PNG of what is in the file")
    return parser.parse_args()


def _run(arguments: argparse.Namespace) -> None:
    """All runs that are not there yet; those of the tuner as it was by its own code."""
    warnings.filterwarnings("ignore")
    samplers = list(arguments.samplers)
    if arguments.before is not None and AS_IT_WAS in samplers:
        samplers.remove(AS_IT_WAS)
        own = ["--samplers", AS_IT_WAS, "--tables", arguments.tables, "--out", arguments.out]
        limits = ["--seeds", arguments.seeds, "--max-rows", arguments.max_rows]
        subprocess.run(
            [sys.executable, __file__, *map(str, [*own, *limits, "--until", arguments.until])],
            env={**os.environ, "PYTHONPATH": str(arguments.before.resolve())},
            stdout=subprocess.DEVNULL,
            check=True,
        )
    done = {(r["table"], r["sampler"], r["seed"]) for r in _read(arguments.out)}
    for name in arguments.tables.split(","):
        timed = TimedTable.of(name)
        for seed in range(arguments.seeds):
            for sampler in samplers:
                if (name, sampler, seed) in done:
                    continue
                gone, shares = play(
                    timed, sampler, seed, until=arguments.until, max_rows=arguments.max_rows
                )
                line = {"table": name, "sampler": sampler, "seed": seed}
                _append(arguments.out, line | {"seconds": gone, "shares": shares})


def _append(path: Path, line: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(json.dumps(line) + "\n")


def _read(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _by_table(path: Path) -> Runs:
    runs: Runs = defaultdict(list)
    for run in _read(path):
        runs[run["table"], run["sampler"]].append(run)
    return runs


def _show(runs: Runs) -> None:
    """One block a table: median seconds and measurements to each share, and ratios."""
    for name in dict.fromkeys(table for table, _ in runs):
        timed = TimedTable.of(name)
        print(
            f"\n{name}: {len(timed.table.space)} configurations, {timed.beyond.sum()} beyond "
            f"the limits, {timed.n_failed} left out without an answer"
        )
        heads = "".join(f"{f'{s:.0%}':>9}{'measured':>9}{'times':>7}" for s in SHARES)
        print(f"{'seconds to':22}{heads}   runs")
        for sampler in STRATEGIES:
            if group := runs.get((name, sampler)):
                cells = [_cells(group, runs.get((name, "tuner"), []), share) for share in SHARES]
                print(f"{sampler:22}{''.join(cells)}{len(group):7}")


def _cells(group: list[dict], own: list[dict], share: float) -> str:
    """Median seconds, median measurements, and how many times the tuner's seconds that is."""
    seconds, measured = _median(group, share)
    ratio = seconds / _median(own, share)[0] if own else math.nan
    return "".join(
        f"{'-' if not math.isfinite(x) else format(x, form):>{width}}"
        for x, form, width in ((seconds, ".0f", 9), (measured, ".4g", 9), (ratio, ".2f", 7))
    )


def _median(group: list[dict], share: float) -> tuple[float, float]:
    """Median seconds and measurements to a share, infinite where most runs never had it."""
    at = [next((i for i, s in enumerate(r["shares"]) if s >= share), None) for r in group]
    seconds = [math.inf if i is None else r["seconds"][i] for i, r in zip(at, group, strict=True)]
    return float(np.median(seconds)), float(
        np.median([math.inf if i is None else i + 1 for i in at])
    )


def _plot(runs: Runs, target: Path) -> None:
    """One panel a table: median share over seconds, and quartiles of this tuner and of random."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    from tuner.compare.comparison_view import COLOURS

    names = list(dict.fromkeys(table for table, _ in runs))
    figure, grid = plt.subplots(
        1, len(names), figsize=(5.5 * len(names), 4), layout="constrained", squeeze=False
    )
    for name, axes in zip(names, grid[0], strict=True):
        longest = max(r["seconds"][-1] for (t, _), rs in runs.items() if t == name for r in rs)
        grid_s = np.geomspace(1, longest, 400)
        for colour, sampler in zip(COLOURS, STRATEGIES, strict=False):
            if not (group := runs.get((name, sampler))):
                continue
            curves = [_at(run, grid_s) for run in group]
            low, middle, high = np.quantile(curves, [0.25, 0.5, 0.75], axis=0)
            own = sampler == "tuner"
            axes.plot(grid_s, middle, color=colour, label=sampler, linewidth=2.2 if own else 1.3)
            if own or sampler == "random":
                axes.fill_between(grid_s, low, high, color=colour, alpha=0.15, linewidth=0)
        axes.axhline(SHARES[-1], color="black", linewidth=0.6, linestyle=":")
        axes.set(title=name, xlabel="seconds of measurement", xscale="log", ylim=(0, 1.01))
        axes.spines[["top", "right"]].set_visible(False)
    grid[0, 0].set_ylabel("share of the true front's log hypervolume")
    grid[0, 0].legend(frameon=False, fontsize=8, loc="lower right")
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=110)


def _at(run: dict, grid_s: np.ndarray) -> np.ndarray:
    """The share at each time; a run that ended keeps its last."""
    places = np.searchsorted(run["seconds"], grid_s, side="right") - 1
    return np.where(places >= 0, np.array(run["shares"])[places], 0.0)


if __name__ == "__main__":
    main()
