"""A trace as a picture: shares of requests by bins, and arrivals over time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.errors import UserError
from tuner.workloads.format import about, clock, per_cent
from tuner.workloads.summary import Lengths, Summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, SOFT, PALE, TEAL, RED = "#1f2933", "#7b8794", "#e4e7eb", "#0b7285", "#c92a2a"
SHADES = ("#eaf6f7", "#a5d5dc", "#3f9fae", "#0b7285", "#073f4d")


def draw(summary: Summary, path: Path) -> None:
    """Draw a heat map of the bins, their sums at its sides, and arrivals, into a PNG file.

    Raises:
        UserError: the file cannot be written.
    """
    if path.suffix != ".png":
        raise UserError(f"a drawing is a PNG file; call it {path.with_suffix('.png')}")
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    timed = len(summary.slots) > 1
    heights = [0.95, 0.44 * len(summary.grid.outputs) + 0.3, *([1.1] if timed else [])]
    style: dict[Any, Any] = {
        "font.size": 9.5, "axes.edgecolor": SOFT, "text.color": INK, "axes.labelcolor": INK,
        "xtick.color": SOFT, "ytick.color": SOFT, "xtick.labelcolor": INK, "ytick.labelcolor": INK,
    }  # fmt: skip
    with mpl.rc_context(style):
        figure = Figure(figsize=(8.4, sum(heights) + 1.7), dpi=130)
        FigureCanvasAgg(figure)
        panes = figure.add_gridspec(len(heights), 2, height_ratios=heights, width_ratios=[7, 1])
        cells = figure.add_subplot(panes[1, 0])
        _heat_map(cells, summary)
        _columns(figure.add_subplot(panes[0, 0], sharex=cells), summary)
        _rows(figure.add_subplot(panes[1, 1], sharey=cells), summary)
        if timed:
            _arrivals(figure.add_subplot(panes[2, :]), summary)
        _title(figure, summary)
        try:
            figure.savefig(path)
        except OSError as error:
            raise UserError(f"{path} cannot be written: {error.strerror or error}") from None


def _title(figure: Figure, summary: Summary) -> None:
    """The name, and below it what there is to know in words."""
    inches = float(figure.get_figheight())
    words = [about(summary), *(_lengths(w, getattr(summary, w)) for w in ("input", "output"))]
    figure.set_layout_engine("constrained", rect=(0.005, 0, 0.99, 1 - 0.72 / inches))
    figure.text(0.015, 1 - 0.12 / inches, summary.name, va="top", fontsize=13, fontweight="bold")
    figure.text(0.015, 1 - 0.42 / inches, "   |   ".join(words), va="top", color=SOFT)
    figure.text(
        0.985, 1 - 0.9 / inches, "% of requests", ha="right", va="top", color=SOFT, fontsize=9
    )


def _heat_map(axis: Axes, summary: Summary) -> None:
    """Shares of requests in cells between powers of two; lines at the medians."""
    from matplotlib.colors import LinearSegmentedColormap, PowerNorm

    colours = LinearSegmentedColormap.from_list("shares", SHADES)
    norm = PowerNorm(0.6, 0, max(b.share for b in summary.bins))
    inputs, outputs = summary.grid.inputs, summary.grid.outputs
    shares = {b.corner: b.share for b in summary.bins}
    for column, i in enumerate(inputs):
        for row, o in enumerate(outputs):
            share = shares.get((i, o))
            if share is None:
                continue
            _cell(axis, column, row, colours(norm(share)))
            dark = norm(share) > 0.45
            axis.text(
                column + 0.5, row + 0.5, per_cent(share), ha="center", va="center",
                color="white" if dark else INK, fontsize=9.5 if share >= 0.0005 else 8,
            )  # fmt: skip
    axis.set(xlim=(0, len(inputs)), ylim=(0, len(outputs)))
    axis.set_xticks(range(len(inputs) + 1), _edges(inputs, summary.input.longest))
    axis.set_yticks(range(len(outputs) + 1), _edges(outputs, summary.output.longest))
    axis.set_xlabel("input tokens")
    axis.set_ylabel("output tokens")
    axis.tick_params(length=3)
    axis.spines[["top", "right"]].set_visible(False)


def _cell(axis: Axes, column: int, row: int, colour: tuple[float, ...]) -> None:
    from matplotlib.patches import FancyBboxPatch

    shape = "round,pad=0.06,rounding_size=0.08"
    place = column + 0.1, row + 0.1
    axis.add_patch(FancyBboxPatch(place, 0.8, 0.8, boxstyle=shape, fc=colour, ec="none"))


def _edges(bounds: Sequence[int], longest: int) -> list[str]:
    """Labels of the lines between cells."""
    beyond = "+" if longest > bounds[-1] else ""
    return ["0", *(f"{bound}" for bound in bounds[:-1]), f"{bounds[-1]}{beyond}"]


def _columns(axis: Axes, summary: Summary) -> None:
    """The shares of the columns as bars above the heat map."""
    shares = summary.input_shares()
    axis.bar([c + 0.5 for c in range(len(shares))], shares, width=0.88, color=TEAL, alpha=0.85)
    for column, share in enumerate(shares):
        if share:
            axis.annotate(
                per_cent(share), (column + 0.5, share), (0, 3), textcoords="offset points",
                ha="center", va="bottom",
            )  # fmt: skip
    axis.set_ylim(0, 1.25 * max(shares))
    _bare(axis)


def _rows(axis: Axes, summary: Summary) -> None:
    """The shares of the rows as bars beside the heat map."""
    shares = summary.output_shares()
    axis.barh([r + 0.5 for r in range(len(shares))], shares, height=0.88, color=TEAL, alpha=0.85)
    for row, share in enumerate(shares):
        if share:
            axis.annotate(
                per_cent(share), (share, row + 0.5), (4, 0), textcoords="offset points",
                va="center",
            )  # fmt: skip
    axis.set_xlim(0, 1.7 * max(shares))
    _bare(axis)


def _bare(axis: Axes) -> None:
    axis.spines[:].set_visible(False)
    axis.tick_params(left=False, bottom=False, labelleft=False, labelbottom=False)


def _arrivals(axis: Axes, summary: Summary) -> None:
    """Arrivals a second over time, with their mean."""
    assert summary.rate is not None
    unit, name = clock(summary.slot_s * len(summary.slots))
    edges = [k * summary.slot_s / unit for k in range(len(summary.slots) + 1)]
    axis.stairs(summary.slots, edges, fill=True, color=TEAL, alpha=0.25)
    axis.stairs(summary.slots, edges, color=TEAL, linewidth=1.2, baseline=None)
    axis.axhline(summary.rate, color=RED, linewidth=0.9, linestyle=(0, (5, 3)))
    axis.annotate(
        f"mean {summary.rate:.3g}", (1, summary.rate), (4, 0), xycoords=("axes fraction", "data"),
        textcoords="offset points", va="center", color=RED, annotation_clip=False,
    )  # fmt: skip
    axis.set(xlim=(0, edges[-1]), ylim=(0, 1.08 * max(summary.slots)))
    axis.set_xlabel(f"time [{name}]")
    axis.set_ylabel("requests/s")
    axis.grid(axis="y", color=PALE, linewidth=0.7)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)


def _lengths(which: str, lengths: Lengths) -> str:
    return f"{which}: median {lengths.median:.0f}, p99 {lengths.p99:.0f} tokens"
