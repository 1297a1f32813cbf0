"""A trace in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from tuner.workloads.energy import WorkloadEnergy
from tuner.workloads.format import about, clock, per_cent
from tuner.workloads.summary import Lengths, Summary

SHADES = ((24, 48, 66), (19, 92, 104), (31, 142, 137), (120, 196, 132), (250, 226, 110))
"""Colours of rising shares; each is legible on light and on dark terminals."""

SHOWN = 8
"""Bins whose energy is shown, the dearest first."""

BLOCKS = "▁▂▃▄▅▆▇█"
TEAL = "#2a9d9a"


def show(summary: Summary, console: Console) -> None:
    """Print a trace: its size, percentiles, arrivals, and a heat map of its bins."""
    parts: list[RenderableType] = [
        Text(summary.name, style="bold"),
        about(summary),
        "",
        _percentiles(summary),
    ]
    if len(summary.slots) > 1:
        parts += ["", _arrivals(summary)]
    parts += ["", "Share of requests in %, by the greatest number of tokens:", _heat_map(summary)]
    if summary.clamped:
        parts += ["", f"{summary.clamped} requests are longer than the last bin, and count there."]
    console.print(Group(*parts), highlight=False)


def show_energy(name: str, whole: WorkloadEnergy, scope: str, console: Console) -> None:
    """Print what a workload takes, and which bins take most of it."""
    said = "estimated" if whole.source == "estimated" else whole.source
    interval = "" if whole.low is None else f" [{whole.low:.4g}, {whole.high:.4g}]"
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    for title in ("up to input", "output", "joules", "share %", ""):
        table.add_column(title, justify="left" if not title else "right")
    dearest = sorted(whole.parts.items(), key=lambda part: -part[1])
    for (input_tokens, output_tokens), joules in dearest[:SHOWN]:
        share = joules / whole.joules
        bar = Text(_bar(share / (dearest[0][1] / whole.joules)), TEAL)
        cells = f"{input_tokens}", f"{output_tokens}", f"{joules:.3g}", per_cent(share)
        table.add_row(*cells, bar)
    left = f"and {len(dearest) - SHOWN} more bins" if len(dearest) > SHOWN else ""
    console.print(
        Group(
            Text(name, style="bold"),
            f"{whole.joules:.4g} J{interval} for {whole.requests:,} requests, "
            f"{whole.joules_per_request:.3g} J each ({said}: {scope})",
            "",
            table,
            left,
        ),
        highlight=False,
    )


def _bar(share: float, width: int = 24) -> str:
    return "█" * round(share * width)


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
    inputs, outputs = summary.grid.inputs, summary.grid.outputs
    shares = {b.corner: b.share for b in summary.bins}
    top = max(shares.values())
    table = Table.grid(padding=0)
    table.add_column(width=9)
    for _ in inputs:
        table.add_column(width=6)
    table.add_row("\n\n output", *_columns(summary.input_shares()))
    for o, row_share in reversed(tuple(zip(outputs, summary.output_shares(), strict=True))):
        cells = [_cell(shares.get((i, o)), top) for i in inputs]
        bar = "█" * round(8 * row_share / max(summary.output_shares()))
        side = Text.assemble("  ", (bar, TEAL), f" {per_cent(row_share)}" if row_share else "")
        table.add_row(f"{_bound(o, outputs, summary.output.longest):>7}", *cells, side)
    bounds = (_bound(i, inputs, summary.input.longest) for i in inputs)
    table.add_row("  input", *(f"{bound:>5}" for bound in bounds))
    return table


def _columns(shares: Sequence[float]) -> list[Text]:
    """Bars two lines high, with their shares below."""
    bars = []
    for share in shares:
        height = 2 * share / max(shares)
        lines = (_block(max(0.0, height - 1)), _block(min(1.0, height)))
        bars.append(Text.assemble(*((f" {line * 4}\n", TEAL) for line in lines)))
        bars[-1].append(f"{per_cent(share):>5}" if share else "")
    return bars


def _cell(share: float | None, top: float) -> Text:
    if share is None:
        return Text("    ·", style="dim")
    red, green, blue = _shade((share / top) ** 0.6)
    ink = "#101418" if red * 0.3 + green * 0.6 + blue * 0.1 > 120 else "#f4f7f8"
    return Text(f"{per_cent(share):>5} ", style=f"{ink} on #{red:02x}{green:02x}{blue:02x}")


def _shade(height: float) -> tuple[int, int, int]:
    """The colour of a height in [0, 1]."""
    place = height * (len(SHADES) - 1)
    below, above = tuple(pairwise(SHADES))[min(int(place), len(SHADES) - 2)]
    part = place - min(int(place), len(SHADES) - 2)
    red, green, blue = (round(a + part * (b - a)) for a, b in zip(below, above, strict=True))
    return red, green, blue


def _bound(bound: int, bounds: Sequence[int], longest: int) -> str:
    """The greatest length in a bin; a plus where longer ones count there too."""
    return f"{bound}{'+' if bound == bounds[-1] and longest > bound else ''}"
