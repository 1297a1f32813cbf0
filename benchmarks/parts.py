"""What settings are chosen by: measured tables and random parts of them.

    python benchmarks/parts.py --tables ../shared/tables --out before.jsonl
    python benchmarks/parts.py --tables ../shared/tables --out after.jsonl --against before.jsonl

A few tables say little about a setting. Here every table comes with parts of it: a part lacks three
in ten of the values of each column that has more than two. Only every second table by name,
beginning with the first: the others are held out (`sample_efficiency.py`), unless `--held-out` asks
for them instead.
"""

from __future__ import annotations

import argparse
import json
import math
import warnings
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from efficiency_plots import at_stop, measurements_to
from tables import entries, objectives_of

from tuner.search.replay import replay
from tuner.space import Table, read_table
from tuner.surrogates import Objective

SHARE = 0.95
BUDGET = 60
NEVER = 75
"""What counts for a run that did not get to the share within its budget."""
LEFT_OUT = 0.3
LEAST = 10
"""Parts of fewer rows say nothing; some tables hardly vary two columns at once."""


def main() -> None:
    arguments = _arguments()
    runs = _read(arguments.out)
    if not arguments.show:
        _run(arguments, runs)
    _show(runs)
    if arguments.against:
        _compare(runs, _read(arguments.against))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", type=Path, required=True, help="folder with index.json")
    parser.add_argument("--out", type=Path, required=True, help="JSON lines, one per run")
    parser.add_argument("--parts", type=int, default=5, help="parts of each table")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--held-out", action="store_true", help="the other tables, for a last look")
    parser.add_argument("--against", type=Path, help="runs to compare with")
    parser.add_argument("--show", action="store_true", help="only print what is in the file")
    return parser.parse_args()


def _run(arguments: argparse.Namespace, runs: dict[tuple[str, int], dict]) -> None:
    warnings.filterwarnings("ignore")
    for name, table, objectives in _problems(arguments):
        for seed in range(arguments.seeds):
            if (name, seed) in runs:
                continue
            replayed = replay(table, objectives, max_trials=BUDGET, seed=seed, run_on=True)
            log = [round(share, 5) for share in replayed.log]
            run = {"problem": name, "seed": seed, "log": log, "stopped_at": replayed.stopped_at}
            runs[name, seed] = run
            with arguments.out.open("a") as file:
                file.write(json.dumps(run) + "\n")


def _problems(arguments: argparse.Namespace) -> Iterator[tuple[str, Table, list[Objective]]]:
    for entry in entries(arguments.tables)[int(arguments.held_out) :: 2]:
        columns, objectives = list(entry["objectives"]), objectives_of(entry)
        whole = pd.read_csv(arguments.tables / entry["file"])
        with TemporaryDirectory() as folder:
            for part in range(-1, arguments.parts):
                rows = whole if part < 0 else _part(whole, entry["decisions"], part)
                if len(rows) < LEAST:
                    continue
                path = Path(folder) / "part.csv"
                rows.to_csv(path, index=False)
                name = entry["name"] if part < 0 else f"{entry['name']}#{part}"
                yield name, read_table(path, columns, entry["decisions"]), objectives


def _part(whole: pd.DataFrame, decisions: list[str], part: int) -> pd.DataFrame:
    rng = np.random.default_rng([part, 7])
    kept = np.ones(len(whole), dtype=bool)
    for column in decisions:
        values = sorted(whole[column].unique(), key=str)
        if len(values) > 2:
            left = max(2, round(len(values) * (1 - LEFT_OUT)))
            chosen = {values[i] for i in rng.choice(len(values), left, replace=False)}
            kept &= whole[column].isin(chosen).to_numpy()
    return whole[kept]


def _read(path: Path) -> dict[tuple[str, int], dict]:
    lines = path.read_text().splitlines() if path.exists() else []
    return {(run["problem"], run["seed"]): run for run in map(json.loads, lines)}


def _needed(run: dict) -> float:
    count = measurements_to(run, SHARE)
    return count if math.isfinite(count) else NEVER


def _by_problem(runs: dict[tuple[str, int], dict]) -> dict[str, list[dict]]:
    found = defaultdict(list)
    for (name, _), run in runs.items():
        found[name].append(run)
    return found


def _show(runs: dict[tuple[str, int], dict]) -> None:
    """Measurements needed (median, geometric mean), and how the stopping rule did."""
    print(f"{'':42}{'runs':>6}{'median':>8}{'mean':>7}{'had 95 %':>10}{'used x':>8}")
    tables = defaultdict(list)
    for name, group in _by_problem(runs).items():
        needed = np.array([_needed(run) for run in group])
        ends, shares = at_stop(group)
        had = float(np.mean(shares >= SHARE))
        line = (np.log(needed).mean(), had, np.log(np.median(ends / needed)))
        kind = name if "#" not in name else name.split("#")[0] + ", parts"
        tables[kind].append(line)
        print(
            f"{name:42}{len(group):6d}{np.median(needed):8g}{math.exp(line[0]):7.1f}"
            f"{had:10.0%}{math.exp(line[2]):8.2f}"
        )
    means = {name: np.mean(lines, axis=0) for name, lines in tables.items()}
    for name, (count, had, used) in {**means, "all": np.mean(list(means.values()), axis=0)}.items():
        print(f"{name:56}{math.exp(count):7.2f}{had:10.0%}{math.exp(used):8.2f}")


def _compare(runs: dict[tuple[str, int], dict], before: dict[tuple[str, int], dict]) -> None:
    """Ratio of the measurements needed, over problems; its standard error."""
    changes = defaultdict(list)
    for key in runs.keys() & before.keys():
        changes[key[0]].append(math.log(_needed(runs[key]) / _needed(before[key])))
    means = [float(np.mean(of)) for of in changes.values()]
    error = np.std(means) / math.sqrt(len(means))
    print(f"against the other file: {math.exp(np.mean(means)):.3f} times, +- {error:.3f}")


if __name__ == "__main__":
    main()
