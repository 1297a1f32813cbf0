"""The recommendations as text for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuner.report.text import change, differences, duration, quantity

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from tuner.advice import Recommendation, Result


def result_view(result: Result) -> RenderableType:
    """Default and recommendations below one another, with intervals, and why the search ended."""
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = []
    if result.default_measurement is not None:
        parts += [Text("\nThe engine's default", style="bold"), _default(result)]
    for recommendation in result.recommended:
        parts += [
            Text(f"\n{' · '.join(recommendation.roles)}", style="bold green"),
            _metrics(result, recommendation),
            Text(f"  set: {differences(recommendation.configuration, result.default)}"),
        ]
    if not result.recommended:
        parts.append(Text("\nNothing is recommended.", style="bold red"))
    parts.append(Text(f"\n{_summary(result)}"))
    return Group(*parts)


def _grid() -> Table:
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    for _ in range(3):
        table.add_column()
    return table


def _default(result: Result) -> Table:
    table = _grid()
    measurement = result.default_measurement
    for text in result.objectives:
        metric = measurement.metrics.get(text.split(":")[0]) if measurement else None
        if metric is not None:
            value = quantity(metric.value, metric.unit, metric.low, metric.high)
            table.add_row(f"  {text.split(':')[0]}{_marked(metric.source)}", value, "")
    return table


def _metrics(result: Result, recommendation: Recommendation) -> Table:
    table = _grid()
    for c in recommendation.comparisons:
        value = quantity(c.value, c.unit, c.low, c.high)
        versus = change(c.change, c.change_low, c.change_high)
        table.add_row(f"  {c.metric}{_marked(c.source)}", value, versus)
    return table


def _marked(source: str) -> str:
    return " (estimated)" if source == "estimated" else ""


def _summary(result: Result) -> str:
    ran = sum(record.state == "complete" for record in result.trials)
    failed = sum(record.state == "failed" for record in result.trials)
    lines = [
        f"Search ended: {result.stopped_by}.",
        f"{ran} trials measured and {failed} failed in {duration(result.seconds)}; "
        f"{len(result.front)} configurations on the front.",
        "Brackets are 95 % intervals; changes are against the default in the same rounds.",
    ]
    return "\n".join([*lines, *result.notes])
