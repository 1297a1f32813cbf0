"""Tables that `measure_table.py` wrote."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tuner.space import Configuration, Value

METRICS = ("joules_per_request", "mean_e2el_ms", "accuracy")
COLUMNS = (
    "drawn",
    *METRICS,
    *(f"{name}_sem" for name in METRICS),
    "setup_s",
    "run_s",
    "prompts",
    "of",
    "at_s",
    "busy",
    "note",
)


@dataclass(frozen=True)
class Row:
    """One measured configuration.

    Attributes:
        drawn: `default`, `near` it, from `anywhere`, or `reference` for the default once more.
        configuration: what was measured.
        values: of `METRICS`; None where it failed.
        sems: their standard errors; None where unknown.
        setup_s: seconds of loading and warm-up.
        run_s: seconds of the measured passes.
        prompts: how many it answered,
        of: of so many; fewer where it was too slow.
        at_s: when it was begun, seconds since 1970.
        busy: the share of the measured time in which its one thread had a processor.
        note: why it failed.

    """

    drawn: str
    configuration: Configuration
    values: tuple[float | None, ...]
    sems: tuple[float | None, ...]
    setup_s: float
    run_s: float
    prompts: int
    of: int
    at_s: float
    busy: float
    note: str

    @property
    def seconds(self) -> float:
        """What the measurement took."""
        return self.setup_s + self.run_s

    def cells(self) -> list[str]:
        """As the columns of `COLUMNS`."""
        numbers = [*self.values, *self.sems, self.setup_s, self.run_s]
        shown = ["" if x is None else f"{x:.6g}" for x in numbers]
        when = (f"{self.at_s:.0f}", f"{self.busy:.3f}")
        return [self.drawn, *shown, str(self.prompts), str(self.of), *when, self.note]


def read_rows(path: Path) -> list[Row]:
    """All rows of a file, references included."""
    with path.open(newline="") as file:
        return [_row(cells) for cells in csv.DictReader(file)]


def measured(path: Path) -> list[Row]:
    """The measured configurations of a file, as if its one thread had always had a processor."""
    return [_undisturbed(row) for row in read_rows(path) if row.drawn != "reference"]


def _undisturbed(row: Row) -> Row:
    """All times without the share in which the thread waited for a processor."""
    share = min(row.busy, 1.0)
    joules, latency, accuracy = row.values
    return replace(
        row,
        values=(joules, None if latency is None else latency * share, accuracy),
        setup_s=row.setup_s * share,
        run_s=row.run_s * share,
    )


def _row(cells: dict[str, str]) -> Row:
    decided = {k: _typed(v) for k, v in cells.items() if k not in COLUMNS and v != ""}
    return Row(
        drawn=cells["drawn"],
        configuration=Configuration.of(decided),
        values=_numbers(cells, METRICS),
        sems=_numbers(cells, [f"{name}_sem" for name in METRICS]),
        setup_s=float(cells["setup_s"]),
        run_s=float(cells["run_s"]),
        prompts=int(cells["prompts"]),
        of=int(cells["of"]),
        at_s=float(cells["at_s"]),
        busy=float(cells["busy"]),
        note=cells["note"],
    )


def _numbers(cells: dict[str, str], names: Sequence[str]) -> tuple[float | None, ...]:
    return tuple(float(cells[name]) if cells[name] else None for name in names)


def _typed(cell: str) -> Value:
    if cell in ("True", "False"):
        return cell == "True"
    for kind in (int, float):
        try:
            return kind(cell)
        except ValueError:
            continue
    return cell
