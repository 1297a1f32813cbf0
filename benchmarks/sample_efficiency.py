"""Measurements to a share of the hypervolume: this tuner against others, on measured tables.

    python benchmarks/sample_efficiency.py --tables ../shared/tables --out results.jsonl
    python benchmarks/sample_efficiency.py --tables ../shared/tables --out results.jsonl --show

Runs are appended to the first file as they end, and what is there is not run again; of more
files all runs are shown. `peers/` has the optimisers of others, `peers.txt` what they need. Half of
the tables, every second one by name, was never looked at while settings were chosen (`held out`).
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
from efficiency_plots import SHARE, at_stop, curves, dots, measurements_to, median_to
from peers import PEERS, peer
from scipy.stats import gmean
from tables import entries, objectives_of

from tuner.search.replay import replay
from tuner.space import read_table

SEEDS_TOLD = 5
"""Fewer runs of an optimiser are shown, but none is called the best other by them."""
RESAMPLED = 2000
"""Bootstrap samples of the seeds, from which comes what 90 % of them are within."""


def main() -> None:
    arguments = _arguments()
    index = entries(arguments.tables)
    if not arguments.show:
        _run(arguments, index)
    _show(arguments.out, index)
    if arguments.plot is not None:
        runs = _by_table(arguments.out)
        curves(runs, index, arguments.plot / "sample-efficiency.png")
        dots(runs, index, arguments.plot / "measurements-to-95.png")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", type=Path, required=True, help="folder with index.json")
    parser.add_argument(
        "--out", type=Path, nargs="+", required=True, help="JSON lines, one per run; into the first"
    )
    parser.add_argument("--samplers", default="pareto,plain botorch,tpe,nsga2")
    parser.add_argument("--only", default="", help="names of tables, comma-separated")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--max-trials", type=int, default=80)
    parser.add_argument("--until", type=float, default=0.99, help="end runs at this share")
    parser.add_argument("--minutes", type=float, default=math.inf, help="start no run after these")
    parser.add_argument("--show", action="store_true", help="only print what is in the file")
    parser.add_argument("--plot", type=Path, help="folder for PNGs of what is in the files")
    return parser.parse_args()


def _run(arguments: argparse.Namespace, index: list[dict]) -> None:
    warnings.filterwarnings("ignore")
    ends = time.monotonic() + 60 * arguments.minutes
    done = {(run["table"], run["sampler"], run["seed"]) for run in _read(arguments.out[0])}
    for seed in range(arguments.seeds):
        for entry in index:
            if arguments.only and entry["name"] not in arguments.only.split(","):
                continue
            objectives = objectives_of(entry)
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
                _append(arguments.out[0], entry["name"], result)


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


def _show(paths: list[Path], index: list[dict]) -> None:
    """Medians per table, and geometric means of the ratios to random search."""
    runs = _by_table(paths)
    samplers = sorted({sampler for _, sampler in runs} | {"random"})
    for share in (0.90, 0.95, 0.99):
        _show_measurements(runs, samplers, index, share)
    _show_spread(runs, index)
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


def _by_table(paths: list[Path]) -> dict[tuple[str, str], list[dict]]:
    """Runs by table and sampler; of a run that is in several files, the first."""
    runs: dict[tuple[str, str], dict[int, dict]] = defaultdict(dict)
    for run in (run for path in paths for run in _read(path)):
        runs[run["table"], run["sampler"]].setdefault(run["seed"], run)
    return defaultdict(list, {key: list(found.values()) for key, found in runs.items()})


def _show_measurements(runs, samplers: list[str], index: list[dict], share: float) -> None:
    """One line a table, `>n` where most runs ended without it and the median is more than n."""
    print(f"\nmeasurements to {share:.0%} of log hypervolume, median over seeds (their number)")
    print(f"{'table':42}" + "".join(f"{s:>16}" for s in samplers))
    ratios = defaultdict(lambda: defaultdict(list))
    for i, entry in enumerate(index):
        group = "held out" if i % 2 else "tuned on"
        known = {s: median_to(runs[entry["name"], s], share) for s in samplers}
        known["random"] = (entry["random_search_log"][f"n{100 * share:.0f}"],) * 2
        shown = ""
        for sampler, (median, bound) in known.items():
            cell = f">{bound:g}" if math.isinf(median) else f"{median:g}".replace("nan", "-")
            shown += f"{cell:>11} ({len(runs[entry['name'], sampler]):2d})"
            if math.isfinite(median):
                ratios[group][sampler].append(known["random"][0] / median)
        print(f"{entry['name'] + ' (' + group[0] + ')':42}" + shown)
        if math.isfinite(known.get("pareto", (math.inf,))[0]):
            others = [
                known[s]
                for s in samplers
                if s == "random" or (s != "pareto" and len(runs[entry["name"], s]) >= SEEDS_TOLD)
            ]
            pareto = known["pareto"][0]
            ratios[group]["best other"].append(min(n for n, _ in others) / pareto)
            ratios[group]["at least"].append(min(min(n, b) for n, b in others) / pareto)
    for group, by_sampler in ratios.items():
        shown = "".join(f"{_mean(by_sampler[s]):>16}" for s in samplers)
        print(f"{'fewer than random, ' + group + ' /tables':42}" + shown)
        if by_sampler["best other"]:
            print(
                f"pareto against the best other of each table, {group}: "
                f"{_mean(by_sampler['best other'])}; if the others' runs had all got there as they "
                f"ended, {_mean(by_sampler['at least'])}"
            )


def _mean(ratios: list[float]) -> str:
    """Geometric mean and how many ratios it is of."""
    return f"{gmean(ratios):.2f} /{len(ratios):2d} " if ratios else "- "


def _show_spread(runs, index: list[dict]) -> None:
    """What the tuner saves against random search on all tables, and how sure that is."""
    rng = np.random.default_rng(0)
    for word, chosen in (("all", index), ("tuned on", index[::2]), ("held out", index[1::2])):
        known = [(e["random_search_log"]["n95"], runs[e["name"], "pareto"]) for e in chosen]
        if not all(group for _, group in known):
            continue
        counts = [np.array([measurements_to(r, SHARE) for r in group]) for _, group in known]
        random = np.array([n for n, _ in known])
        middle = gmean(random / [np.median(c) for c in counts])
        drawn = [
            gmean(random / [np.median(rng.choice(c, len(c))) for c in counts])
            for _ in range(RESAMPLED)
        ]
        low, high = np.quantile(drawn, [0.05, 0.95])
        print(f"{word}: {middle:.2f} times fewer to 95 % than random, {low:.2f} to {high:.2f}")


def _show_stops(runs) -> None:
    """Where the rule ends runs (see `at_stop`)."""
    print("\nwhere the stopping rule ends: share reached, and measurements against those to 95 %")
    for (table, sampler), group in sorted(runs.items()):
        if sampler != "pareto":
            continue
        ends, shares = at_stop(group)
        used = ends / [measurements_to(r, SHARE) for r in group]
        had = int((shares >= SHARE).sum())
        on = sum(r["stopped_at"] is None for r in group)
        print(
            f"{table:42} after {np.median(ends):g}, share {np.median(shares):.3f} "
            f"(least {min(shares):.3f}), {had} of {len(group)} had 95 %, "
            f"used x{np.median(used):.2f}, {on} had not ended"
        )


if __name__ == "__main__":
    main()
