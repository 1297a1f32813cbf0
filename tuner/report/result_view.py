"""The recommendations as text for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tuner.advice.effects import strongest
from tuner.advice.paired import NOTICED
from tuner.metrics import METRICS
from tuner.report.text import (
    change,
    differences,
    duration,
    quantity,
    unresolved_change,
    value_text,
)

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from tuner.advice import Recommendation, Result
    from tuner.advice.effects import Effect
    from tuner.advice.slo import InfeasibleSlo, LevelCheck
    from tuner.space import Configuration

SMALL = 0.01
"""What changes an objective by less is not worth a word."""
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
            *_what_to_set(recommendation, result.default),
        ]
        if not recommendation.verified:
            parts.append(Text("  not verified: this is what its trial in the search showed"))
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
        compared = recommendation.verified and c.change is not None
        if compared and not c.resolved and recommendation.configuration != result.default:
            versus = unresolved_change(c.change_low, c.change_high)
        else:
            versus = change(c.change, c.change_low, c.change_high)
        table.add_row(f"  {c.metric}{_marked(c.source)}", value, versus)
    return table


def _what_to_set(recommendation: Recommendation, default: Configuration) -> list[RenderableType]:
    """Each difference from the default and what would be lost without it, where that is known."""
    from rich.text import Text

    if not recommendation.changes:
        return [Text(f"  set: {differences(recommendation.configuration, default)}")]
    table = _grid()
    for one in recommendation.changes:
        worth = ", ".join(_worth(metric, by) for metric, by in one.worth.items() if _matters(by))
        expected = f"without it {worth}" if worth else ""
        table.add_row(f"  set {one.feature} {value_text(one.value)}", expected, "")
    return [table]


def _matters(worth: float) -> bool:
    return abs(worth) >= SMALL


def _worth(metric: str, by: float) -> str:
    if METRICS.get(metric) is not None and METRICS[metric].kind == "accuracy":
        return f"{metric} {100 * by:+.1f} points"
    return f"{metric} {change(by)}"


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


def _is_unresolved(recommendation: Recommendation) -> bool:
    compared = [c for c in recommendation.comparisons if c.change is not None]
    return recommendation.verified and not all(c.resolved for c in compared)


def _summary(result: Result) -> str:
    ran = sum(record.state == "complete" for record in result.trials)
    failed = sum(record.state == "failed" for record in result.trials)
    ended_early = sum(record.state == "pruned" for record in result.trials)
    early = f", {ended_early} ended early" if ended_early else ""
    lines = [
        f"Search ended: {result.stopped_by}.",
        f"{ran} trials measured, {failed} failed{early} in {duration(result.seconds)}; "
        f"{len(result.front)} configurations on the front.",
        "Brackets are 95 % intervals; changes are against the default in the same blocks.",
    ]
    taken = max((c.foreign for r in result.recommended for c in r.comparisons), default=0.0)
    if taken < NOTICED and any(_is_unresolved(r) for r in result.recommended):
        lines.append("Not resolved: the windows varied too much for their number; more time helps.")
    return "\n".join([*lines, *result.notes])
