"""Views of one run on a table, and of several optimisers side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tuner.search.pareto import non_dominated
from tuner.search.replay import SHARES, Replay, median_measurements, quartiles

if TYPE_CHECKING:
    from rich.console import RenderableType

    from tuner.compare.outcome import ComparisonResult
    from tuner.search import Objective
    from tuner.space import Table

COLOURS = ("#0072b2", "#999999", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#000000")
"""Okabe and Ito's palette, which colour-blind readers can tell apart."""


def replay_view(run: Replay, table: Table, objectives: Sequence[Objective]) -> RenderableType:
    """What one run found, and when."""
    from rich.console import Group
    from rich.table import Table as Grid

    values = table.values[list(run.rows)]
    on_front = np.flatnonzero(non_dominated(values, objectives))
    grid = Grid(expand=True, title=f"Front after {len(run.rows)} of {len(table.space)} rows")
    grid.add_column("measured as", justify="right")
    for column in table.columns:
        grid.add_column(column, justify="right", overflow="fold")
    grid.add_column("configuration", overflow="fold", ratio=1)
    places = [run.rows[i] for i in on_front]
    for i, configuration in zip(
        on_front, table.space.decode(table.space.rows_[places]), strict=True
    ):
        grid.add_row(str(i + 1), *(f"{v:.4g}" for v in values[i]), str(configuration))
    reached = ", ".join(
        f"{share:.0%} after {count}"
        if (count := run.measurements_to(share))
        else f"{share:.0%} not"
        for share in SHARES
    )
    lines = [
        f"Hypervolume (log scale): {run.log[-1]:.1%} of the table's; {reached}.",
        f"On the linear scale: {run.linear[-1]:.1%}.",
    ]
    if run.stop is not None:
        allowed = f"Ended after the {len(run.rows)} that were allowed"
        ended = allowed if run.stopped_at is None else f"Stop after {run.stopped_at}"
        lines.append(f"{ended}: {run.stop.reason}.")
    return Group(grid, *lines)


def comparison_view(runs: Sequence[Replay], what: str) -> RenderableType:
    """One line per optimiser: medians over seeds, quartiles behind them."""
    from rich import box
    from rich.table import Table as Grid

    seeds = len({run.seed for run in runs})
    over = f"; medians over {seeds} seeds (quartiles)" if seeds > 1 else ""
    grid = Grid(title=f"Measurements to a share of {what}{over}", box=box.SIMPLE, pad_edge=False)
    grid.add_column("sampler", no_wrap=True)
    for share in SHARES:
        grid.add_column(f"to {share:.0%}", justify="right", no_wrap=True)
    grid.add_column("reached", justify="right", no_wrap=True)
    grid.add_column("stops after", justify="right")
    grid.add_column("s to suggest", justify="right")
    for name, group in by_sampler(runs).items():
        grid.add_row(
            name,
            *(_counts(group, share) for share in SHARES),
            f"{np.median([run.log[-1] for run in group]):.1%}",
            _count(float(np.median([run.stopped_at or np.inf for run in group]))),
            f"{np.median([s for run in group for s in run.seconds]):.3f}",
        )
    return grid


def _counts(runs: Sequence[Replay], share: float) -> str:
    """Median and quartiles of the measurements to a share; `-` where it was not reached."""
    middle = median_measurements(runs, share)
    counts = [run.measurements_to(share) or np.inf for run in runs]
    low, high = np.quantile(counts, [0.25, 0.75], method="inverted_cdf")
    if low == high:
        return _count(middle)
    return f"{_count(middle)} ({_count(low)}..{_count(high)})"


def _count(count: float | None) -> str:
    return "-" if count is None or not np.isfinite(count) else f"{count:g}"


def plot_comparison(
    runs: Sequence[Replay], path: Path, *, title: str = "", of: str = "the table's"
) -> None:
    """Draw hypervolume over measurements: medians as lines, quartiles as bands."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
    length = max(len(run.rows) for run in runs)
    for colour, (name, group) in zip(COLOURS * 3, by_sampler(runs).items(), strict=False):
        low, middle, high = quartiles(group, length)
        at = np.arange(1, length + 1)
        axes.plot(at, middle, color=colour, label=name)
        axes.fill_between(at, low, high, color=colour, alpha=0.18, linewidth=0)
    axes.axhline(0.95, color="black", linewidth=0.6, linestyle=":")
    axes.set(xlabel="measurements", ylabel=f"share of {of} log hypervolume", title=title)
    axes.legend(frameon=False, loc="lower right")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def by_sampler(runs: Sequence[Replay]) -> dict[str, list[Replay]]:
    """Runs grouped by optimiser, in the order of their first appearance."""
    groups: dict[str, list[Replay]] = {}
    for run in runs:
        groups.setdefault(run.sampler, []).append(run)
    return groups


def summary(runs: Sequence[Replay]) -> dict[str, Any]:
    """What each optimiser did, by name, as plain types."""
    length = max(len(run.rows) for run in runs)
    return {
        name: {
            "measurements_to": {
                f"{share:.0%}": median_measurements(group, share) for share in SHARES
            },
            "quartiles": quartiles(group, length).tolist(),
            "suggestion_seconds": float(np.median([s for run in group for s in run.seconds])),
            "stopped_at": [run.stopped_at for run in group],
        }
        for name, group in by_sampler(runs).items()
    }


def compared_view(compared: ComparisonResult) -> RenderableType:
    """A comparison on an engine: the table, and what it rests on."""
    from rich.console import Group
    from rich.text import Text

    from tuner.report.text import duration

    failed = ", ".join(f"{name} {count}" for name, count in compared.failed.items())
    lines = [
        f"{compared.finished} proposals took {compared.taken} measurements in "
        f"{duration(compared.seconds)}: what one sampler had measured is told to all that ask for "
        f"it. Failed: {failed or 'none'}.",
        "Shares are of the best front that is known from all of them together. It ended because "
        f"{compared.stopped_by}.",
        *compared.notes,
    ]
    what = "the best known log hypervolume"
    return Group(comparison_view(compared.runs, what), *(Text(line) for line in lines))
