"""The recommendations as a table for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuner.report.text import change, differences, quantity

if TYPE_CHECKING:
    from rich.console import RenderableType

    from tuner.advice import Result


def result_view(result: Result) -> RenderableType:
    """Default and recommendations side by side, with intervals, and why the search ended."""
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    names = [text.split(":")[0] for text in result.objectives]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_lines=True)
    table.add_column("recommended", style="bold")
    for name in names:
        table.add_column(_heading(result, name))
    table.add_column("what to set (differs from the default)", overflow="fold")
    default = result.default_measurement
    if default is not None:
        cells = []
        for name in names:
            metric = default.metrics[name]
            cells.append(quantity(metric.value, metric.unit, metric.low, metric.high))
        table.add_row("default", *cells, Text("the engine's own", style="dim"), style="dim")
    for recommendation in result.recommended:
        by_name = {c.metric: c for c in recommendation.comparisons}
        cells = []
        for name in names:
            c = by_name[name]
            value = quantity(c.value, c.unit, c.low, c.high)
            cells.append(f"{value}\n{change(c.change, c.change_low, c.change_high)}")
        roles = "\n".join(recommendation.roles)
        table.add_row(roles, *cells, differences(recommendation.configuration, result.default))
    ran = sum(record.state == "complete" for record in result.trials)
    failed = sum(record.state == "failed" for record in result.trials)
    lines = [
        f"Search ended: {result.stopped_by}.",
        f"{ran} trials measured, {failed} failed; {len(result.front)} on the front. "
        "Brackets are 95 % intervals; changes are against the default in the same rounds.",
        *result.notes,
    ]
    if not result.recommended:
        lines.insert(0, "Nothing is recommended.")
    return Group(table, Text("\n".join(lines)))


def _heading(result: Result, name: str) -> str:
    measured = result.default_measurement
    estimated = (
        measured is not None
        and name in measured.metrics
        and measured.metrics[name].source == "estimated"
    )
    return f"{name} (estimated)" if estimated else name
