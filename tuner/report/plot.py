"""The front as a picture: everything measured, the default, and what is recommended."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from tuner.advice import Result
    from tuner.measure import Measurement

INK = "#1f2933"
GRID = "#e4e7eb"
MARKERS = {
    "cheapest": ("s", "#0b7285"),
    "fastest": ("^", "#d9480f"),
    "most accurate": ("*", "#862e9c"),
    "balanced": ("o", "#2b8a3e"),
    "frugal": ("v", "#5c940d"),
}
LABELS = {
    "joules_per_request": "energy per request",
    "mean_e2el_ms": "mean latency of a request",
    "accuracy": "accuracy",
}


def plot_front(result: Result, path: Path) -> None:
    """Draw the first objective against each other one into a PNG file.

    Three objectives make two panels; the colour of a point is the objective that its panel has
    no axis for. Bars are 95 % intervals of what was verified, dotted lines are service levels.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = [text.split(":")[0] for text in result.objectives]
    pairs = [(0, j) for j in range(1, len(names))] or [(0, 0)]
    with mpl.rc_context({"font.size": 10, "axes.edgecolor": INK, "text.color": INK}):
        figure = Figure(figsize=(6.2 * len(pairs), 5.4), dpi=150, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(1, len(pairs), squeeze=False)[0]
        for axis, (x, y) in zip(axes, pairs, strict=True):
            colour = next((k for k in range(len(names)) if k not in (x, y)), None)
            _panel(axis, result, names, (x, y), colour)
        handles, labels = axes[0].get_legend_handles_labels()
        columns = min(len(labels), 3 * len(pairs))
        figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False)
        figure.suptitle(_title(result), x=0.01, ha="left", fontsize=12, fontweight="bold")
        figure.savefig(path)


def _title(result: Result) -> str:
    measured = {r.configuration for r in result.trials if r.state == "complete"}
    return f"{len(measured)} configurations measured, {len(result.front)} on the front"


def _panel(
    axis: Axes, result: Result, names: list[str], pair: tuple[int, int], colour: int | None
) -> None:
    x, y = pair
    complete = [r for r in result.trials if r.state == "complete"]
    values = np.array([r.values for r in complete], dtype=float).reshape(-1, len(names))
    _dress(axis, result, names, pair, values)
    shades: Any = values[:, colour] if colour is not None else "#9aa5b1"
    norm = "log" if colour is not None and _wide(names[colour], shades) else None
    points = axis.scatter(
        values[:, x], values[:, y], c=shades, s=26, cmap=None if colour is None else "viridis",
        norm=norm, linewidths=0,
    )  # fmt: skip
    axis.scatter([], [], c="#9aa5b1", s=26, label="measured")
    if colour is not None and len(values):
        bar = axis.figure.colorbar(points, ax=axis, pad=0.02, fraction=0.05)
        bar.set_label(_label(result, names[colour]))
        bar.outline.set_visible(False)
    front = np.array([[p.values[n] for n in names] for p in result.front], dtype=float)
    if len(front):
        axis.scatter(
            front[:, x], front[:, y], s=70, facecolors="none", edgecolors=INK, linewidths=0.9,
            label="front",
        )  # fmt: skip
    for recommendation in result.recommended:
        marker, ink = MARKERS[recommendation.roles[0]]
        label = " + ".join(recommendation.roles)
        _mark(axis, recommendation.measurement, (names[x], names[y]), marker, ink, label)
    _limits(axis, result, (names[x], names[y]))
    default = result.default_measurement
    if default is not None:
        _mark(axis, default, (names[x], names[y]), "D", "#c92a2a", "engine's default")


def _limits(axis: Axes, result: Result, names: tuple[str, str]) -> None:
    """A line for every service level on a metric that the panel shows."""
    known = [r.levels for r in result.recommended] + ([result.unmet.checks] if result.unmet else [])
    for check in next(iter(known), ()):
        for name, line in zip(names, (axis.axvline, axis.axhline), strict=True):
            if check.metric == name:
                line(check.limit, color=INK, linewidth=1.2, linestyle=":", label=check.level)


def _dress(
    axis: Axes, result: Result, names: list[str], pair: tuple[int, int], values: np.ndarray
) -> None:
    """Labels, scales and grid."""
    for column, set_label, set_scale in (
        (pair[0], axis.set_xlabel, axis.set_xscale),
        (pair[1], axis.set_ylabel, axis.set_yscale),
    ):
        set_label(_label(result, names[column]))
        if _wide(names[column], values[:, column]):
            set_scale("log")
    axis.grid(True, which="both", color=GRID, linewidth=0.7)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)


def _wide(name: str, values: np.ndarray) -> bool:
    """Whether values are read better on a logarithmic scale."""
    if name == "accuracy" or not len(values) or values.min() <= 0:
        return False
    return bool(values.max() > 5 * values.min())


def _label(result: Result, name: str) -> str:
    measured: Sequence[Measurement] = [r.measurement for r in result.trials if r.measurement]
    metric = next((m.metrics[name] for m in measured if name in m.metrics), None)
    text = LABELS.get(name, name)
    if metric is None:
        return text
    unit = "" if metric.unit in ("", "1") else f" [{metric.unit}]"
    return f"{text}{unit}{', estimated' if metric.source == 'estimated' else ''}"


def _mark(
    axis: Axes, measurement: Measurement, names: tuple[str, str], marker: str, ink: str, label: str
) -> None:
    """A verified configuration with its intervals."""
    x, y = (measurement.metrics[name] for name in names)
    bars: list[list[list[float]] | None] = []
    for metric in (x, y):
        if metric.low is None or metric.high is None:
            bars.append(None)
        else:
            below = max(0.0, metric.value - metric.low)
            bars.append([[below], [max(0.0, metric.high - metric.value)]])
    axis.errorbar(
        x.value, y.value, xerr=bars[0], yerr=bars[1], fmt=marker, color=ink, ecolor=ink,
        elinewidth=1.2, capsize=2.5, markersize=13 if marker == "*" else 9,
        markeredgecolor="white", markeredgewidth=0.9, zorder=5, label=label,
    )  # fmt: skip
