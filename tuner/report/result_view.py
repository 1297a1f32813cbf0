"""The recommendations as text for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tuner.advice.effects import strongest
from tuner.report.text import change, differences, duration, quantity, value_text

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from tuner.advice import Recommendation, Result
    from tuner.advice.effects import Effect
    from tuner.advice.slo import InfeasibleSlo, LevelCheck

EFFECTS = 6
"""So many effects are shown."""


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
        if recommendation.levels:
            parts.append(_levels(recommendation.levels))
    if result.unmet is not None:
        parts += _unmet(result.unmet, result)
    elif not result.recommended:
        parts.append(Text("\nNothing is recommended.", style="bold red"))
    if shown := strongest(result.effects, EFFECTS):
        parts += [
            Text("\nWhat matters most, on average over the space", style="bold"),
            _effects(shown),
        ]
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


def _levels(checks: Sequence[LevelCheck]) -> Table:
    """Each service level: what was measured, and how surely it holds."""
    table = _grid()
    for check in checks:
        held = "kept" if check.holds else f"missed by {100 * check.excess:.3g} %"
        sure = "" if check.probability is None else f"holds with {_percent(check.probability)}"
        limit = quantity(check.limit, check.unit)
        value = quantity(check.value, check.unit)
        table.add_row(f"  {check.level}", f"{value} of {limit}, {held}", sure)
    return table


def _effects(shown: Sequence[Effect]) -> Table:
    table = _grid()
    for effect in shown:
        low, high = sorted((effect.low, effect.high))
        if effect.relative:
            text = change(effect.change, low, high)
        else:
            text = f"{effect.change:+.3g} [{low:+.3g}, {high:+.3g}]"
        what = f"{effect.feature} {value_text(effect.value)}"
        table.add_row(f"  {what}", effect.metric, text)
    return table


def _percent(probability: float) -> str:
    """A probability that is never shown as certain because of rounding."""
    if probability > 0.99:
        return "over 99 %" if probability < 1 else "100 %"
    return "under 1 %" if 0 < probability < 0.01 else f"{100 * probability:.0f} %"


def _unmet(unmet: InfeasibleSlo, result: Result) -> list[RenderableType]:
    from rich.text import Text

    return [
        Text("\nNothing keeps all service levels, so nothing is recommended.", style="bold red"),
        Text(f"  binding: {unmet.binding}, kept by {unmet.kept_by} of {unmet.measured} measured"),
        Text(f"  closest: {differences(unmet.closest, result.default)}"),
        _levels(unmet.checks),
    ]


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
