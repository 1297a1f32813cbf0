"""Measurements to a share of the hypervolume: this tuner against others, on measured tables.

    python benchmarks/sample_efficiency.py --tables ../shared/tables --out results.jsonl
    python benchmarks/sample_efficiency.py --tables ../shared/tables --out results.jsonl --show

Runs are appended to the file as they end, and what is there is not run again. Half of the
tables, every second one by name, was never looked at while settings were chosen (`held out`).
The figures of random search are those of the tables' index: medians of 50 seeds, all rows.
"""

from __future__ import annotations

import argparse
import json
import math
import time
import warnings
from collections import defaultdict
from pathlib import Path

import numpy as np
from peers import PEERS, peer

from tuner.search.replay import replay
from tuner.space import read_table
from tuner.surrogates import Objective


def main() -> None:
    arguments = _arguments()
    index = json.loads((arguments.tables / "index.json").read_text())["tables"]
    index = sorted(index, key=lambda entry: entry["name"])
    if not arguments.show:
        _run(arguments, index)
    _show(arguments.out, index)
    if arguments.plot is not None:
        _plot(arguments.out, index, arguments.plot)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", type=Path, required=True, help="folder with index.json")
    parser.add_argument("--out", type=Path, required=True, help="JSON lines, one per run")
    parser.add_argument("--samplers", default="pareto,plain botorch,tpe,nsga2")
    parser.add_argument("--only", default="", help="names of tables, comma-separated")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--max-trials", type=int, default=80)
    parser.add_argument("--until", type=float, default=0.99, help="end runs at this share")
    parser.add_argument("--minutes", type=float, default=math.inf, help="start no run after these")
    parser.add_argument("--show", action="store_true", help="only print what is in the file")
    parser.add_argument("--plot", type=Path, help="draw hypervolume over measurements (PNG)")
    return parser.parse_args()


def _run(arguments: argparse.Namespace, index: list[dict]) -> None:
    warnings.filterwarnings("ignore")
    ends = time.monotonic() + 60 * arguments.minutes
    done = {(run["table"], run["sampler"], run["seed"]) for run in _read(arguments.out)}
    for seed in range(arguments.seeds):
        for entry in index:
            if arguments.only and entry["name"] not in arguments.only.split(","):
                continue
            objectives = [
                Objective.parse(f"{name}:{told['direction']}")
                for name, told in entry["objectives"].items()
            ]
            table = read_table(
                arguments.tables / entry["file"], list(entry["objectives"]), entry["decisions"]
            )
            for name in arguments.samplers.split(","):
                if (entry["name"], name, seed) in done or time.monotonic() > ends:
                    continue
                result = replay(
                    table,
                    objectives,
                    sampler=peer(name) if name in PEERS else name,
                    max_trials=arguments.max_trials,
                    seed=seed,
                    run_on=True,
                    until=arguments.until,
                )
                _append(arguments.out, entry["name"], result)


def _append(path: Path, table: str, result) -> None:
    line = {
        "table": table,
        "sampler": result.sampler,
        "seed": result.seed,
        "log": [round(share, 5) for share in result.log],
        "seconds": [round(second, 4) for second in result.seconds],
        "stopped_at": result.stopped_at,
    }
    with path.open("a") as file:
        file.write(json.dumps(line) + "\n")


def _read(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def measurements_to(run: dict, share: float) -> float:
    return next((i + 1 for i, s in enumerate(run["log"]) if s >= share), math.inf)


def _show(path: Path, index: list[dict]) -> None:
    """Medians per table, and geometric means of the ratios to random search."""
    runs = defaultdict(list)
    for run in _read(path):
        runs[run["table"], run["sampler"]].append(run)
    samplers = sorted({sampler for _, sampler in runs} | {"random"})
    for share in (0.90, 0.95, 0.99):
        print(f"\nmeasurements to {share:.0%} of log hypervolume, median over seeds")
        print(f"{'table':34}" + "".join(f"{s:>16}" for s in samplers))
        ratios = defaultdict(lambda: defaultdict(list))
        for i, entry in enumerate(index):
            group = "held out" if i % 2 else "tuned on"
            cells = {}
            for sampler in samplers:
                found = [measurements_to(r, share) for r in runs[entry["name"], sampler]]
                cells[sampler] = float(np.median(found)) if found else math.nan
            cells["random"] = entry["random_search_log"][f"n{100 * share:.0f}"]
            shown = "".join(f"{cells[s]:>11g} ({len(runs[entry['name'], s]):2d})" for s in samplers)
            print(f"{entry['name'] + ' (' + group[0] + ')':34}" + shown)
            for sampler in samplers:
                ratio = cells.get("random", math.nan) / cells[sampler]
                if math.isfinite(ratio) and ratio > 0:
                    ratios[group][sampler].append(ratio)
        for group, by_sampler in ratios.items():
            shown = "".join(
                f"{math.exp(np.mean(np.log(by_sampler[s]))):>11.2f} /{len(by_sampler[s]):2d} "
                if by_sampler[s]
                else f"{'-':>16}"
                for s in samplers
            )
            print(f"{'fewer than random, ' + group:34}" + shown)
    _show_stops(runs)
    print("\nprocessor seconds per suggestion after the 10th, median")
    for sampler in samplers:
        every = [
            s
            for (_, name), rs in runs.items()
            if name == sampler
            for r in rs
            for s in r["seconds"][10:]
        ]
        if every:
            print(f"{sampler:>16} {np.median(every):.3f}")


def _show_stops(runs) -> None:
    print("\nwhere the stopping rule ends: share reached, and measurements against those to 95 %")
    for (table, sampler), group in sorted(runs.items()):
        if sampler != "pareto":
            continue
        ends = [(r["stopped_at"], r) for r in group if r["stopped_at"]]
        shares = [r["log"][min(at, len(r["log"])) - 1] for at, r in ends]
        used = [at / measurements_to(r, 0.95) for at, r in ends]
        if ends:
            print(
                f"{table:34} stopped {len(ends)}/{len(group)} at "
                f"{np.median([a for a, _ in ends]):g}, "
                f"share {np.median(shares):.3f} (least {min(shares):.3f}), "
                f"{np.mean(np.array(shares) >= 0.95):.0%} reached 95 %, used x{np.median(used):.2f}"
            )


def _plot(path: Path, index: list[dict], target: Path, length: int = 60) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    from tuner.report.comparison import COLOURS

    runs = defaultdict(list)
    for run in _read(path):
        runs[run["table"], run["sampler"]].append(run)
    samplers = [
        s for s in ("pareto", "plain botorch", "tpe", "nsga2") if any(s == k for _, k in runs)
    ]
    figure, grid = plt.subplots(2, 4, figsize=(13, 6), sharex=True, layout="constrained")
    for i, (entry, axes) in enumerate(zip(index, grid.T.flat, strict=True)):
        for colour, sampler in zip(COLOURS, samplers, strict=False):
            group = runs[entry["name"], sampler]
            if not group:
                continue
            curves = [
                np.pad(r["log"][:length], (0, max(0, length - len(r["log"]))), "edge")
                for r in group
            ]
            low, middle, high = np.quantile(curves, [0.25, 0.5, 0.75], axis=0)
            at = np.arange(1, length + 1)
            axes.plot(at, middle, color=colour, label=sampler)
            axes.fill_between(at, low, high, color=colour, alpha=0.18, linewidth=0)
        axes.axhline(0.95, color="black", linewidth=0.6, linestyle=":")
        axes.set(ylim=(0.5, 1.01))
        axes.set_title(entry["name"] + (" (held out)" if i % 2 else ""), fontsize=9)
    grid[0, 0].legend(frameon=False, fontsize=8, loc="lower right")
    figure.supxlabel("measurements")
    figure.supylabel("share of the table's log hypervolume")
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=110)


if __name__ == "__main__":
    main()
