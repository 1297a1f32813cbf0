"""The plan of a study as text for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tuner.report.text import differences, duration

if TYPE_CHECKING:
    from rich.console import RenderableType

    from tuner.study.plan import StudyPlan


def plan_view(plan: StudyPlan) -> RenderableType:
    """What would be measured, how long it may take, and what comes first."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column()
    for name, text in _rows(plan):
        table.add_row(Text(name, style="bold"), Text(text))
    first = [
        Text(f"  {i}. {differences(configuration, plan.default)}")
        for i, configuration in enumerate(plan.first, 1)
    ]
    return Group(table, Text("\nfirst configurations", style="bold"), *first)


def _rows(plan: StudyPlan) -> list[tuple[str, str]]:
    asked = f"{plan.requests} requests" if plan.requests else "what the command asks"
    if plan.graded:
        asked += f", {plan.graded} graded"
    rows = [
        ("engine", f"{plan.engine} ({plan.installed})" if plan.installed else plan.engine),
        ("models", ", ".join(plan.models) or "the engine's own"),
        ("configurations", _count(plan.configurations)),
        ("asked", asked),
        ("objectives", ", ".join(plan.objectives)),
        ("ended early", _outside(plan.limits)),
        ("energy", plan.meter),
        ("time", _time(plan)),
    ]
    if plan.levels:
        rows.insert(5, ("promises", ", ".join(plan.levels)))
    return rows


def _outside(limits: Sequence[str]) -> str:
    return f"what is not {' and '.join(limits)} of the default" if limits else "nothing"


def _time(plan: StudyPlan) -> str:
    aim = f"about {plan.trial_seconds:g} s a configuration, loading not included"
    if plan.seconds is None or plan.default_seconds is None or plan.verification_seconds is None:
        return f"no limit; the search ends when the front is stable; {aim}"
    return (
        f"{duration(plan.seconds)} in all: up to {duration(plan.default_seconds)} for the default, "
        f"up to {duration(plan.verification_seconds)} to verify in {plan.least_blocks} blocks or "
        f"more, the rest to search; {aim}"
    )


def _count(size: int) -> str:
    return f"{size:,}" if size < 10**6 else f"{size:.1e}"
