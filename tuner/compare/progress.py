"""What a running comparison looks like: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tuner.compare.turns import SamplerTurn, TurnFinished
from tuner.report.phase_text import phase_text
from tuner.report.text import duration, number
from tuner.study import Event, Notice, PhaseStarted, Started

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

Follow = Callable[[Event | SamplerTurn | TurnFinished], None]


@contextmanager
def following(metrics: list[str], console: Console) -> Iterator[Follow]:
    """Something to tell of a comparison, which is shown while the context is open."""
    if not console.is_terminal:
        yield ComparisonLines(metrics, console)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("proposals, {task.fields[clock]} · {task.description}", markup=False),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        yield Bar(progress, progress.add_task("starting", total=None, clock=duration(0)))


class ComparisonLines:
    """A plain line for each proposal."""

    def __init__(self, metrics: list[str], console: Console) -> None:
        self._metrics, self._console = metrics, console

    def __call__(self, event: Event | SamplerTurn | TurnFinished) -> None:
        """Print what an event says."""
        match event:
            case Notice(text=text):
                self._print(text)
            case Started(resumed=resumed) if resumed:
                self._print(f"going on after {resumed} proposals")
            case TurnFinished():
                self._print(_line(event, self._metrics))

    def _print(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


class Bar:
    """How far it is, whose turn it is, and what the engine does."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress, self._task, self._who = progress, task, ""

    def __call__(self, event: Event | SamplerTurn | TurnFinished) -> None:
        """Show what an event says."""
        match event:
            case Notice(text=text):
                self._progress.console.print(text, markup=False, highlight=False)
            case SamplerTurn(sampler=sampler, seed=seed):
                self._who = f"{sampler}, seed {seed}"
                self._progress.update(self._task, description=f"{self._who}: proposing")
            case PhaseStarted(phase=phase):
                text = f"{self._who}: {phase_text(phase)}"
                self._progress.update(self._task, description=text)
            case TurnFinished(finished=finished, total=total, elapsed=elapsed):
                self._progress.update(
                    self._task, completed=finished, total=total, clock=duration(elapsed)
                )


def _line(event: TurnFinished, metrics: list[str]) -> str:
    record = event.record
    failure = record.measurement.failure if record.measurement else None
    values = zip(metrics, record.values, strict=False)
    words = (
        failure.cause.replace("_", " ")
        if failure
        else ", ".join(f"{name} {number(value)}" for name, value in values)
    )
    how = "shared" if event.shared else "measured"
    return (
        f"{event.finished} of {event.total}, {duration(event.elapsed)} | {event.turn.sampler}, "
        f"seed {event.turn.seed} | {how}: {words}"
    )
