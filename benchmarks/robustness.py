"""What noise, outliers and failures cost the tuner, on measured tables and on known fronts.

    python benchmarks/robustness.py --tables ../shared/tables
    python benchmarks/robustness.py --tables ../shared/tables --show

*Noise*: every value carries 5 % of log-normal noise that the tuner is not told of, and one
measurement in fifty has one value that is ten times too large, which flatters it where more is
better. Hypervolume is counted from true values of what was measured. Measured is what reaching a
share takes with noise and without: 95 %, or, where 60 quiet measurements do not get there, what
they reach in most runs.

*Failures*: two random conditions, such as "batch >= 16 and model = b", that about a tenth of all
configurations meet, make a measurement fail. Counted are failures after the thirtieth of 60
measurements, on tables of more than 100 rows.

Runs are appended to a file as they end, and what is there is not run again.
"""

from __future__ import annotations

import argparse
import math
import warnings
from pathlib import Path

import numpy as np
from problems import PROBLEMS, Problem, of_table
from pursuit import Run, Trouble
from records import Records, shown
from scipy.stats import gmean
from tables import entries, objectives_of

from tuner.space import read_table

QUIET = Trouble()
NOISY = Trouble(noise=0.05, outliers=0.02)
FAILING = Trouble(failing=0.1)
SHARE, BUDGET, LONGER = 0.95, 60, 90
SETTLED = 30


def main() -> None:
    arguments = _arguments()
    records = Records(arguments.out, arguments.forget)
    if not arguments.show:
        _run(arguments, records)
    _show_noise(records.of(QUIET), records.of(NOISY))
    _show_failures(records.of(FAILING))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    results = Path(__file__).parent / "results"
    parser.add_argument("--tables", type=Path, required=True, help="folder with index.json")
    parser.add_argument("--out", type=Path, default=results / "known_fronts.jsonl")
    parser.add_argument("--only", default="noise,failures", help="which of the two")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--forget", default="", help="drop this sampler's runs first")
    parser.add_argument("--show", action="store_true", help="only print what is in the file")
    return parser.parse_args()


def _run(arguments: argparse.Namespace, records: Records) -> None:
    warnings.filterwarnings("ignore")
    tables = _tables(arguments.tables)
    problems = [*tables, *(make() for make in PROBLEMS.values())]
    for seed in range(arguments.seeds):
        for problem in problems:
            if "noise" in arguments.only:
                records.ensure(problem, "pareto", seed, BUDGET, QUIET, SHARE)
                records.ensure(problem, "pareto", seed, LONGER, NOISY, SHARE)
            if "failures" in arguments.only and len(problem.space) > 100:
                records.ensure(problem, "pareto", seed, BUDGET, FAILING, math.inf)


def _tables(folder: Path) -> list[Problem]:
    found = []
    for entry in entries(folder):
        table = read_table(folder / entry["file"], list(entry["objectives"]), entry["decisions"])
        found.append(of_table(entry["name"], table, objectives_of(entry)))
    return found


def _show_noise(
    quiet: dict[tuple[str, str], list[Run]], noisy: dict[tuple[str, str], list[Run]]
) -> None:
    print("measurements to a share, median: quiet, with 5 % noise and 1 outlier in 50, and ratio")
    ratios = []
    for key in sorted(noisy):
        n = min(len(quiet[key]), len(noisy[key]))
        reached = sorted(max(r.shares[:BUDGET]) for r in quiet[key][:n])
        share = min(SHARE, math.floor(1000 * reached[(n - 1) // 2]) / 1000)
        before = float(np.median([r.measurements_to(share) for r in quiet[key][:n]]))
        after = float(np.median([r.measurements_to(share) for r in noisy[key][:n]]))
        again = np.mean([r.repeats for r in noisy[key][:n]])
        ratios.append(after / before)
        print(
            f"{key[0]:36}{n:3d} runs{share:7.3f}{shown(before):>7}{shown(after):>7}"
            f"{ratios[-1]:7.2f}   repeats {again:.1f}"
        )
    for name, of in (("all", ratios), ("finite", [r for r in ratios if math.isfinite(r)])):
        if of:
            print(f"geometric mean of the ratios, {name}: {gmean(of):.2f}")


def _show_failures(runs: dict[tuple[str, str], list[Run]]) -> None:
    print("\nfailures with a tenth failing in a pattern: first 30, then the other 30; worst run")
    total, late = 0, 0
    for key, group in sorted(runs.items()):
        early = [sum(f <= SETTLED for f in r.failed) for r in group]
        after = [sum(f > SETTLED for f in r.failed) for r in group]
        measured = [len(r.shares) - SETTLED for r in group]
        total, late = total + sum(measured), late + sum(after)
        worst = group[int(np.argmax(after))]
        print(
            f"{key[0]:36}{len(group):3d} runs{np.mean(early) / SETTLED:7.1%}"
            f"{sum(after) / sum(measured):7.1%}{max(after):4d}  {worst.pattern}"
        )
    if total:
        print(f"all: {late} of {total} proposals after the thirtieth failed: {late / total:.1%}")


if __name__ == "__main__":
    main()
