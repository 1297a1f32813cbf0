"""Plots of runs on measured tables: hypervolume over measurements, and measurements to 95 %.

`runs` are lists of runs by table and sampler, `index` the entries of the tables, sorted by name.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from tuner.compare.comparison_view import COLOURS

ORDER = ("pareto", "random", "plain botorch", "gp", "tpe", "smac", "ax", "hebo")
MARKERS = "oXsD^vP*"
LENGTH = 60
SHARE = 0.95


def curves(runs: dict, index: list[dict], target: Path) -> None:
    """One panel a table: medians as lines, the tuner's and plain BoTorch's quartiles as bands.

    Runs of others ended at 95 %; their lines end where the median run did.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, grid = plt.subplots(2, 4, figsize=(13, 6.2), sharex=True, layout="constrained")
    for i, (entry, axes) in enumerate(zip(index, grid.T.flat, strict=True)):
        for colour, sampler in zip(COLOURS, ORDER, strict=False):
            if not (group := runs[entry["name"], sampler]):
                continue
            shares = [
                np.pad(r["log"][:LENGTH], (0, max(0, LENGTH - len(r["log"]))), "edge")
                for r in group
            ]
            low, middle, high = np.quantile(shares, [0.25, 0.5, 0.75], axis=0)
            end = min(LENGTH, max(len(r["log"]) for r in group))
            if sampler != "pareto" and (middle >= SHARE).any():
                end = int(np.argmax(middle >= SHARE)) + 1
            at = np.arange(1, end + 1)
            front = sampler == "pareto"
            axes.plot(
                at,
                middle[:end],
                color=colour,
                label=sampler,
                linewidth=2.2 if front else 1.3,
                zorder=3 if front else 2,
            )
            if sampler in ("pareto", "plain botorch"):
                axes.fill_between(at, low[:end], high[:end], color=colour, alpha=0.15, linewidth=0)
        axes.axhline(SHARE, color="black", linewidth=0.6, linestyle=":")
        axes.set(ylim=(0.5, 1.01))
        axes.set_title(entry["name"] + (" (held out)" if i % 2 else ""), fontsize=9)
        axes.spines[["top", "right"]].set_visible(False)
    grid[0, 0].legend(frameon=False, fontsize=8, loc="lower right")
    figure.supxlabel("measurements")
    figure.supylabel("share of the table's log hypervolume")
    _save(figure, target)


def dots(runs: dict, index: list[dict], target: Path) -> None:
    """Median measurements to 95 %, a line a table; hollow where most runs ended before it."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(9, 4.6), layout="constrained")
    for line, (i, entry) in enumerate(reversed(list(enumerate(index)))):
        axes.axhline(line, color="#dddddd", linewidth=0.8, zorder=0)
        for colour, marker, sampler in zip(COLOURS, MARKERS, ORDER, strict=False):
            group = runs[entry["name"], sampler]
            if sampler == "random":
                at, reached = entry["random_search_log"]["n95"], True
            elif not group:
                continue
            else:
                median, at = median_to(group, SHARE)
                reached = math.isfinite(median)
            axes.plot(
                at,
                line,
                marker,
                color=colour,
                markerfacecolor=colour if reached else "none",
                markersize=11 if sampler == "pareto" else 7,
                label=sampler if i == 0 else None,
                zorder=3 if sampler == "pareto" else 4,
            )
    names = [entry["name"] + (" (held out)" if i % 2 else "") for i, entry in enumerate(index)]
    axes.set_yticks(range(len(index)), reversed(names))
    axes.set_xscale("log")
    ticks = [5, 10, 20, 50, 100, 200]
    axes.set_xticks(ticks, [str(t) for t in ticks])
    axes.xaxis.minorticks_off()
    axes.set_xlabel("measurements to 95 % of the table's log hypervolume (hollow: not reached)")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.legend(
        frameon=False,
        ncols=len(ORDER),
        columnspacing=1.2,
        handletextpad=0.3,
        loc="lower center",
        bbox_to_anchor=(0.3, 1.0),
    )
    _save(figure, target)


def measurements_to(run: dict, share: float) -> float:
    """Measurements until a share was reached, infinite where it never was."""
    return next((i + 1 for i, s in enumerate(run["log"]) if s >= share), math.inf)


def median_to(runs: list[dict], share: float) -> tuple[float, float]:
    """Median of the measurements to a share, infinite if most runs ended before, and a bound.

    The bound is the median with those runs counted as if they had got there as they ended: an
    infinite median is more than that.
    """
    if not runs:
        return math.nan, math.nan
    counts = [measurements_to(run, share) for run in runs]
    least = [min(n, len(run["log"])) for run, n in zip(runs, counts, strict=True)]
    return float(np.median(counts)), float(np.median(least))


def at_stop(runs: list[dict]) -> tuple[np.ndarray, np.ndarray]:
    """Measurements where the stopping rule ended each run, and the share it had there.

    A run that it did not end counts as if it had at its end.
    """
    ends = [run["stopped_at"] or len(run["log"]) for run in runs]
    shares = [run["log"][end - 1] for run, end in zip(runs, ends, strict=True)]
    return np.array(ends), np.array(shares)


def _save(figure, target: Path) -> None:
    import matplotlib.pyplot as plt

    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=110)
    plt.close(figure)
