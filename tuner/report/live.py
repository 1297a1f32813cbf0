"""What a running study looks like: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tuner.measure import Measurement, VerificationBlock
from tuner.report.phase_text import phase_text
from tuner.report.text import differences, duration, number
from tuner.study import (
    Event,
    Notice,
    Observer,
    PhaseStarted,
    SearchEnded,
    Snapshot,
    Started,
    StudySpec,
    TrialFinished,
    TrialStarted,
)
from tuner.study.records import Record

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from tuner.space import Configuration

RECENT = 8
"""Trials that the live display lists."""


@contextmanager
def watching(spec: StudySpec, console: Console) -> Iterator[Observer]:
    """An observer that shows the study on `console` while the context is open."""
    if not console.is_terminal:
        yield Lines(spec, console)
        return
    from rich.live import Live

    board = Board(spec)
    with Live(console=console, get_renderable=board.view, refresh_per_second=4, transient=True):
        yield board


class Lines:
    """One plain line for every event that somebody reading a log would want."""

    def __init__(self, spec: StudySpec, console: Console) -> None:
        self._metrics = [text.split(":")[0] for text in spec.effective_objectives]
        self._console = console
        self._default: Configuration | None = None
        self._block = 0

    def __call__(self, event: Event) -> None:
        """Print what an event says."""
        text = self._text(event)
        if text:
            self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _text(self, event: Event) -> str | None:
        match event:
            case Started(resumed=resumed, size=size):
                again = f", going on after {resumed} trials" if resumed else ""
                return f"searching {_count(size)} configurations{again}"
            case Notice(text=text):
                return text
            case TrialStarted(number=0, configuration=configuration):
                self._default = configuration
            case TrialFinished(record=record, snapshot=snapshot):
                outcome = _outcome(record, self._metrics, self._default)
                return f"{outcome} | {_standing(snapshot)}{_time_left(snapshot)}"
            case SearchEnded(reason=reason):
                return f"search ended: {reason}; verifying the candidates"
            case PhaseStarted(phase=VerificationBlock(number=number, of=of)):
                before, self._block = self._block, number
                if number != before:
                    return f"verification: block {number}, {of} configurations"
        return None


class Board:
    """The live display: progress, present trial, front, best values, recent trials."""

    def __init__(self, spec: StudySpec) -> None:
        self._spec = spec
        self._metrics = [text.split(":")[0] for text in spec.effective_objectives]
        self._default: Configuration | None = None
        self._size = 0
        self._snapshot: Snapshot | None = None
        self._last_finished = time.monotonic()
        self._now = "starting"
        self._phase = ""
        self._recent: deque[Record] = deque(maxlen=RECENT)
        self._notices: list[str] = []

    def __call__(self, event: Event) -> None:
        """Take note of an event; the display follows by itself."""
        match event:
            case Started(size=size):
                self._size = size
            case Notice(text=text):
                self._notices.append(text)
            case TrialStarted(number=trial, configuration=configuration):
                self._default = self._default or (configuration if trial == 0 else None)
                self._now = f"trial {trial}: {differences(configuration, self._default or {})}"
                self._phase = ""
            case PhaseStarted(phase=phase):
                self._phase = phase_text(phase)
            case TrialFinished(record=record, snapshot=snapshot):
                self._recent.append(record)
                self._snapshot = snapshot
                self._last_finished = time.monotonic()
            case SearchEnded(reason=reason):
                self._now = f"search ended: {reason}; verifying the candidates"
                self._phase = ""

    def view(self) -> RenderableType:
        """The display as it stands now."""
        from rich.console import Group
        from rich.panel import Panel
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        snapshot = self._snapshot
        top = Table.grid(expand=True, padding=(0, 1))
        top.add_column(ratio=1)
        top.add_column(no_wrap=True)
        bar = ProgressBar(total=1.0, completed=snapshot.progress if snapshot else 0.0)
        top.add_row(bar, Text(self._clock(snapshot)))
        parts: list[RenderableType] = [
            top,
            Text(f"{self._now}", overflow="ellipsis", no_wrap=True, style="bold"),
            Text(f"  {self._phase}", style="cyan"),
        ]
        parts += [Text(notice, style="yellow") for notice in self._notices]
        if snapshot:
            parts.append(Text(_standing(snapshot)))
        if self._recent:
            parts.append(self._trials())
        title = f"tune · {' '.join(self._spec.models)} · {_count(self._size)} configurations"
        return Panel(Group(*parts), title=title, title_align="left")

    def _clock(self, snapshot: Snapshot | None) -> str:
        since = time.monotonic() - self._last_finished
        elapsed = (snapshot.elapsed if snapshot else 0.0) + since
        text = f"{snapshot.finished if snapshot else 0} trials in {duration(elapsed)}"
        if snapshot and snapshot.seconds_left is not None:
            left = duration(max(0.0, snapshot.seconds_left - since))
            text += f", at most {left} left to search"
            text += f", {duration(snapshot.verification_seconds)} to verify"
        return text

    def _trials(self) -> RenderableType:
        from rich import box
        from rich.table import Table

        table = Table(box=box.SIMPLE, pad_edge=False, expand=True)
        table.add_column("trial", justify="right")
        for metric in self._metrics:
            table.add_column(metric, justify="right", no_wrap=True)
        table.add_column("differs from the default", ratio=1, no_wrap=True, overflow="ellipsis")
        for record in self._recent:
            what = differences(record.configuration, self._default or {})
            if record.state == "complete":
                cells = [number(value) for value in record.values]
                table.add_row(str(record.number), *cells, what)
            else:
                words = _why_not(record)
                blanks = [""] * (len(self._metrics) - 1)
                table.add_row(str(record.number), words, *blanks, what, style="red")
        return table


def _outcome(record: Record, metrics: list[str], default: Configuration | None) -> str:
    what = differences(record.configuration, default or {})
    measurement = record.measurement
    if measurement is not None and measurement.failure is not None:
        failure = measurement.failure
        words = f"failed ({failure.cause.replace('_', ' ')}: {_short(failure.message)})"
    elif measurement is not None and measurement.bounds:
        words = f"ended early ({_bounds(measurement)})"
    else:
        words = ", ".join(
            f"{name} {number(value)}" for name, value in zip(metrics, record.values, strict=False)
        )
    return f"trial {record.number}: {words} | {what}"


def _why_not(record: Record) -> str:
    """Why a trial has no values, in a word or two."""
    if record.state == "pruned":
        return "ended early"
    failure = record.measurement.failure if record.measurement else None
    return failure.cause.replace("_", " ") if failure else "interrupted"


def _bounds(measurement: Measurement) -> str:
    return ", ".join(f"{name} over {number(value)}" for name, value in measurement.bounds.items())


def _standing(snapshot: Snapshot) -> str:
    text = f"front {snapshot.front}, hypervolume {snapshot.hypervolume:.3f}"
    best = ", ".join(f"{name} {number(value)}" for name, value in snapshot.best.items())
    if best:
        text += f", best {best}"
    if snapshot.remaining_gain is not None:
        text += (
            f", gain still expected {100 * snapshot.remaining_gain:.1f} % "
            f"(ends under {100 * snapshot.threshold:.1f} %)"
        )
    return text


def _time_left(snapshot: Snapshot) -> str:
    """How what is left of a time limit is divided; empty without one."""
    if snapshot.seconds_left is None:
        return ""
    left = duration(max(0.0, snapshot.seconds_left))
    return f", {left} left to search and {duration(snapshot.verification_seconds)} to verify"


def _count(size: int) -> str:
    return f"{size:,}" if size < 10**6 else f"{size:.1e}"


def _short(message: str, limit: int = 100) -> str:
    line = " ".join(message.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
