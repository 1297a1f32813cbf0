"""What expected effects (`expect`) save when they are right, and cost when they are upside down.

    python benchmarks/knowledge.py --out benchmarks/results/knowledge.jsonl
    python benchmarks/knowledge.py --out benchmarks/results/knowledge.jsonl --show
    python benchmarks/knowledge.py --out judged.jsonl --made-up "" --tables smollm2

Each table is searched with what its feature model expects (`right`), without (`none`), and with
every effect turned round (`inverted`), as `time_to_front.py` lets the tuner search. Measurements
and seconds until the front has 90 and 95 % of the table's log hypervolume are compared, seed by
seed. The strength of the prior was chosen on made-up engines: each of their effects is what is
expected times a factor drawn from N(1, 0.5), choices of which nothing is expected have effects of
their own, and pairs of choices have more. Measured tables (`--tables`) are what it is judged on.

Runs are appended to the file as they end, and what is there is not run again.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from measured_tables import METRICS
from scipy.stats import gmean
from seconds_replay import TimedTable, play

from tuner.space import Knowledge, Table, TableSpace, load_space

Floats = npt.NDArray[np.float64]

VARIANTS = {"right": 1.0, "none": 0.0, "inverted": -1.0}
"""What expected effects are multiplied with."""
ENGINES = {
    "transformers": {"cpus": 8, "model": "builtin:large"},
    "llama_cpp": {"cpus": 8},
    "vllm": {},
}
"""Shipped spaces on which engines are made up, and what is fixed in them."""
ROWS = 600
"""Configurations of a made-up engine that can be measured."""
SETUP_S, RUN_S = 8.0, 20.0
"""Seconds of starting a made-up engine, and of measuring its default."""
SHARES = (0.90, 0.95)


def made_up(engine: str, draw: int) -> TimedTable:
    """An engine that behaves about as expected."""
    space = load_space(engine, pins=ENGINES[engine])
    rng = np.random.default_rng([draw, len(engine)])
    default = np.repeat(space.encode([space.default]), ROWS // 6, axis=0)
    near = [space.mutate(default, rng, changes=changes) for changes in (1, 2, 3)]
    codes = np.concatenate([default[:1], *near, space.sample(ROWS // 2, rng)])
    rows = TableSpace.among(space, codes)
    shared = _effect(rows, rng, 0.1, 0.05)  # what energy and latency have in common
    energy = shared + _effect(rows, rng, 0.05, 0.03, "energy")
    latency = shared + _effect(rows, rng, 0.05, 0.03, "latency")
    accuracy = _effect(rows, rng, 0.005, 0.003, "accuracy")
    joules, ms = (np.exp(x + 0.03 * rng.normal(size=len(rows))) for x in (energy, latency))
    values = np.stack([5.0 * joules, 900.0 * ms, np.clip(0.8 + accuracy, 0.0, 1.0)], 1)
    table = Table(rows, values, np.full(values.shape, np.nan), METRICS)
    setup_s = np.full(len(rows), SETUP_S)
    return TimedTable(f"{engine} {draw}", table, setup_s, RUN_S * joules, 0)


def _effect(
    space: TableSpace, rng: np.random.Generator, single: float, pair: float, kind: str = "other"
) -> Floats:
    """An effect on each row: about what is expected, and of single choices and pairs of them."""
    codes = space.rows_
    total = np.zeros(len(codes))
    knowledge = Knowledge.of(space, kind)
    for j, effects in zip(knowledge.columns, knowledge.effects, strict=True):
        total += rng.normal(1.0, 0.5) * effects[codes[:, j] + 1]
    sizes = [len(p.values) + 1 for p in space.parameters]
    tables = [rng.normal(size=n) * rng.exponential(single) for n in sizes]
    for j, table in enumerate(tables):
        total += table[codes[:, j] + 1]
    for j in range(len(sizes)):
        k = int(rng.integers(len(sizes)))
        table = rng.normal(size=(sizes[j], sizes[k])) * rng.exponential(pair)
        total += table[codes[:, j] + 1, codes[:, k] + 1]
    return total - total[space.index(space.encode([space.default]))]


class WithExpectations(TableSpace):
    """A table whose expected effects are multiplied by a factor."""

    knows_default = True

    def __init__(self, space: TableSpace, factor: float) -> None:
        self.__dict__.update(space.__dict__)
        self._parameters = tuple(
            replace(
                parameter,
                expected=tuple(
                    replace(e, effects=tuple(factor * effect for effect in e.effects))
                    for e in parameter.expected
                    if factor
                ),
            )
            for parameter in space.parameters
        )


def search(timed: TimedTable, variant: str, seed: int, most: int) -> dict:
    """Measure until the last of `SHARES` is reached, `most` times at most."""
    space = WithExpectations(timed.table.space, VARIANTS[variant])
    timed = replace(timed, table=replace(timed.table, space=space))
    clock, shares = play(timed, "tuner", seed, until=SHARES[-1], max_rows=most)
    return {"shares": shares, "clock": clock}


def needed(run: dict, share: float, *, seconds: bool) -> float:
    """Measurements or seconds to a share; what the run had where it never got there."""
    at = next((i for i, s in enumerate(run["shares"]) if s >= share), len(run["shares"]) - 1)
    return run["clock"][at] if seconds else at + 1


def main() -> None:
    arguments = _arguments()
    warnings.filterwarnings("ignore")
    if not arguments.show:
        _run(arguments)
    _show(arguments.out)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="JSON lines, one per run")
    parser.add_argument("--made-up", default=",".join(ENGINES), help="spaces of made-up engines")
    parser.add_argument("--tables", default="", help="measured tables, as of time_to_front.py")
    parser.add_argument("--draws", type=int, default=3, help="made-up engines of each space")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--max-trials", type=int, default=60)
    parser.add_argument("--variants", default=",".join(VARIANTS))
    parser.add_argument("--show", action="store_true", help="only print what is in the file")
    return parser.parse_args()


def _run(arguments: argparse.Namespace) -> None:
    done = {(r["table"], r["variant"], r["seed"]) for r in _read(arguments.out)}
    tables = [TimedTable.of(name) for name in filter(None, arguments.tables.split(","))]
    for draw in range(arguments.draws):
        tables += [made_up(name, draw) for name in filter(None, arguments.made_up.split(","))]
    for seed in range(arguments.seeds):
        for timed in tables:
            for variant in arguments.variants.split(","):
                if (timed.name, variant, seed) in done:
                    continue
                found = search(timed, variant, seed, arguments.max_trials)
                record = {"table": timed.name, "variant": variant, "seed": seed} | found
                with arguments.out.open("a") as file:
                    file.write(json.dumps(record) + "\n")


def _read(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _show(path: Path) -> None:
    """Medians of each table, and geometric means of the ratios to `none`, seed by seed."""
    runs = defaultdict(dict)
    for record in _read(path):
        runs[record["table"], record["seed"]][record["variant"]] = record
    tables = sorted({table for table, _ in runs})
    print(f"{'median to':28}" + "".join(f"{v:>22}" for v in VARIANTS))
    for share in SHARES:
        for table in tables:
            row = f"{table:22}{share:5.0%} "
            for variant in VARIANTS:
                mine = [r[variant] for (t, _), r in runs.items() if t == table and variant in r]
                counts = [needed(r, share, seconds=False) for r in mine]
                clocks = [needed(r, share, seconds=True) for r in mine]
                row += f"{np.median(counts):10.1f}{np.median(clocks):10.0f} s"
            print(row)
        for variant in ("right", "inverted"):
            both = [r for r in runs.values() if variant in r and "none" in r]
            ratios = [
                gmean(
                    [
                        needed(r[variant], share, seconds=s) / needed(r["none"], share, seconds=s)
                        for r in both
                    ]
                )
                for s in (False, True)
            ]
            print(
                f"{variant} against none to {share:.0%}: {ratios[0]:.2f} times the measurements, "
                f"{ratios[1]:.2f} times the seconds"
            )


if __name__ == "__main__":
    main()
