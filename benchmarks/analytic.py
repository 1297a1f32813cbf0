"""Measurements to a share of the true hypervolume, on problems whose fronts are known.

    python benchmarks/analytic.py
    python benchmarks/analytic.py --show
    python benchmarks/analytic.py --samplers pareto,tpe --noise 0.05 --outliers 0.02

The problems are those of `benchmarks/problems`. Random search draws valid configurations
uniformly. Optuna's samplers know no constraints: they are asked as parameters become active, an
invalid answer becomes the nearest valid configuration, and what was measured before is told
again at no charge. `tpe refused` prunes invalid answers at no charge instead: worse after 60
measurements on three of the five problems and better on two (medians of five seeds).

Runs are appended to a file as they end, and what is there is not run again.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np
from problems import PROBLEMS
from pursuit import Run, Trouble
from records import Records, shown

AFTER = (10, 20, 40, 80)
SHARES = (0.80, 0.90, 0.95)
ORDER = ("pareto", "random", "nsga2", "gp", "tpe", "tpe refused")
"""What is drawn, in this order."""
RANDOM = 1000
"""Measurements of random search: they cost next to nothing here."""


def main() -> None:
    arguments = _arguments()
    trouble = Trouble(
        noise=arguments.noise,
        stated=arguments.stated,
        outliers=arguments.outliers,
        failing=arguments.failing,
    )
    records = Records(arguments.out, arguments.forget)
    if not arguments.show:
        _run(arguments, records, trouble)
    _show(records.of(trouble))
    if arguments.plot is not None:
        _plot(records.of(trouble), arguments.plot)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    results = Path(__file__).parent / "results"
    parser.add_argument("--out", type=Path, default=results / "known_fronts.jsonl")
    parser.add_argument("--samplers", default="pareto,random,tpe,tpe refused,nsga2")
    parser.add_argument("--problems", default=",".join(PROBLEMS))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--budget", type=int, default=80)
    parser.add_argument("--until", type=float, default=0.99, help="end runs at this share")
    parser.add_argument("--noise", type=float, default=0.0, help="relative standard deviation")
    parser.add_argument("--stated", action="store_true", help="tell samplers the standard error")
    parser.add_argument("--outliers", type=float, default=0.0, help="share that is ten times off")
    parser.add_argument("--failing", type=float, default=0.0, help="share that fails in a pattern")
    parser.add_argument("--forget", default="", help="drop this sampler's runs first")
    parser.add_argument("--show", action="store_true", help="only print what is in the file")
    parser.add_argument("--plot", type=Path, help="draw shares over measurements (PNG)")
    return parser.parse_args()


def _run(arguments: argparse.Namespace, records: Records, trouble: Trouble) -> None:
    warnings.filterwarnings("ignore")
    problems = [PROBLEMS[name]() for name in arguments.problems.split(",")]
    for seed in range(arguments.seeds):
        for problem in problems:
            for sampler in arguments.samplers.split(","):
                budget = RANDOM if sampler == "random" else arguments.budget
                records.ensure(problem, sampler, seed, budget, trouble, arguments.until)


def _show(runs: dict[tuple[str, str], list[Run]]) -> None:
    print(f"{'medians':16}{'sampler':12}{'runs':>5}  share after" + " " * 13, end="")
    print("measurements to" + " " * 6 + "s each   invalid")
    print(f"{'':35}" + "".join(f"{n:6d}" for n in AFTER), end="")
    print("".join(f"{s:7.0%}" for s in SHARES))
    for (problem, sampler), group in sorted(runs.items(), key=lambda item: item[0]):
        if problem not in PROBLEMS:
            continue
        row = f"{problem:16}{sampler:12}{len(group):5d}  "
        for n in AFTER:
            row += f"{np.median([share_after(r, n) for r in group]):6.2f}"
        for share in SHARES:
            row += f"{shown(float(np.median([r.measurements_to(share) for r in group]))):>7}"
        seconds = np.median([r.seconds for r in group])
        row += f"{seconds:9.3f}{sum(r.invalid for r in group):6d}"
        print(row)


def _plot(runs: dict[tuple[str, str], list[Run]], target: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    from tuner.compare.comparison_view import COLOURS

    figure, panels = plt.subplots(1, len(PROBLEMS), figsize=(14, 3.2), layout="constrained")
    at = np.arange(1, AFTER[-1] + 1)
    for name, axes in zip(PROBLEMS, panels, strict=True):
        for colour, sampler in zip(COLOURS, ORDER, strict=False):
            if not (group := runs.get((name, sampler), [])):
                continue
            curves = [[share_after(r, n) for n in at] for r in group]
            low, middle, high = np.quantile(curves, [0.25, 0.5, 0.75], axis=0)
            axes.plot(at, middle, color=colour, label=sampler)
            axes.fill_between(at, low, high, color=colour, alpha=0.18, linewidth=0)
        axes.axhline(0.95, color="black", linewidth=0.6, linestyle=":")
        axes.set(ylim=(0, 1.01), title=name)
    panels[0].legend(frameon=False, fontsize=8, loc="lower right")
    figure.supxlabel("measurements")
    figure.supylabel("share of the true hypervolume")
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=110)


def share_after(run: Run, n: int) -> float:
    """Share after n measurements; a run that ended before keeps its last one."""
    return run.shares[min(n, len(run.shares)) - 1]


if __name__ == "__main__":
    main()
