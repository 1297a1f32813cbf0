"""A trace in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from tuner.workloads.summary import Lengths, Summary
from tuner.workloads.words import about, clock, per_cent

SHADES = ((24, 48, 66), (19, 92, 104), (31, 142, 137), (120, 196, 132), (250, 226, 110))
"""Colours of rising shares; each is legible on light and on dark terminals."""

BLOCKS = "▁▂▃▄▅▆▇█"
TEAL = "#2a9d9a"


def show(summary: Summary, console: Console) -> None:
    """Print a trace: its size, percentiles, arrivals, and a heat map of its bins."""
    head = Text.assemble((summary.name, "bold"), "   ", (about(summary), "default"))
    parts: list[RenderableType] = [head, "", _percentiles(summary)]
    if len(summary.slots) > 1:
        parts += ["", _arrivals(summary)]
    parts += ["", _heat_map(summary)]
    if summary.clamped:
        parts += ["", _clamped(summary)]
    console.print(Group(*parts), highlight=False)


def _percentiles(summary: Summary) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column("tokens")
    for name in ("median", "p90", "p99", "longest", "in all"):
        table.add_column(name, justify="right")
    for name in ("input", "output"):
        lengths: Lengths = getattr(summary, name)
        points = (f"{p:.0f}" for p in (lengths.median, lengths.p90, lengths.p99))
        table.add_row(name, *points, f"{lengths.longest}", f"{lengths.total:,}")
    return table


def _arrivals(summary: Summary) -> Text:
    """Arrivals over time as a row of blocks."""
    unit, name = clock(summary.slot_s)
    top = max(summary.slots)
    row = "".join(_block(rate / top) for rate in summary.slots)
    each = f"{summary.slot_s / unit:g} {name}"
    return Text.assemble(
        "arrivals  ", (row, TEAL), f"\n          a block is {each}, the highest {top:.3g}/s"
    )


def _block(share: float) -> str:
    return BLOCKS[min(len(BLOCKS) - 1, int(share * len(BLOCKS)))] if share else " "


def _heat_map(summary: Summary) -> Table:
    """Shares of requests in per cent, sums at the sides, as in the picture."""
    table = Table.grid(padding=0)
    inputs, outputs = summary.grid.inputs, summary.grid.outputs
    shares = {b.corner: b.share for b in summary.bins}
    top = max(shares.values())
    sums = summary.output_shares()
    table.add_row("", *_heights(summary.input_shares()))
    for place, o in reversed(tuple(enumerate(outputs))):
        cells = [_cell(shares.get((i, o)), top) for i in inputs]
        bar = "█" * round(8 * sums[place] / max(sums))
        side = Text.assemble(" ", (bar, TEAL), f" {per_cent(sums[place])}" if sums[place] else "")
        table.add_row(_bound(o, summary.output.longest, outputs), *cells, side)
    return table


def _heights(shares: Sequence[float]) -> list[Text]:
    top = max(shares)
    return [
        Text.assemble((_block(share / top) * 5 + "\n", TEAL), per_cent(share) if share else "")
        for share in shares
    ]


def _cell(share: float | None, top: float) -> Text:
    if share is None:
        return Text("   ·  ", style="dim")
    red, green, blue = _shade((share / top) ** 0.6)
    ink = "#101418" if red * 0.3 + green * 0.6 + blue * 0.1 > 120 else "#f4f7f8"
    return Text(f"{per_cent(share):^6}", style=f"{ink} on #{red:02x}{green:02x}{blue:02x}")


def _shade(height: float) -> tuple[int, int, int]:
    """The colour of a height in [0, 1]."""
    place = height * (len(SHADES) - 1)
    below, above = tuple(pairwise(SHADES))[min(int(place), len(SHADES) - 2)]
    part = place - min(int(place), len(SHADES) - 2)
    red, green, blue = (round(a + part * (b - a)) for a, b in zip(below, above, strict=True))
    return red, green, blue


def _bound(bound: int, longest: int, bounds: Sequence[int]) -> str:
    beyond = "+" if bound == bounds[-1] and longest > bound else ""
    return f"{bound}{beyond}"


def _clamped(summary: Summary) -> Text:
    return Text(f"{summary.clamped} requests are longer than the last bin and count there.")
