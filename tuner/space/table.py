"""Past measurements read from a CSV file, as a space and what was measured in it."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tuner.errors import UserError
from tuner.space._columns import BLANK
from tuner.space.configuration import Value
from tuner.space.table_space import TableSpace


@dataclass(frozen=True)
class Table:
    """Past measurements: a space over the distinct rows and what was measured in each.

    Attributes:
        space: the space; `space.rows_` are its rows in the order of their first appearance.
        values: objective values `n x m`, rows that were measured repeatedly are averaged.
        sems: standard errors of the averages `n x m`; NaN where a row was measured once.
        columns: names of the m objective columns.

    """

    space: TableSpace
    values: npt.NDArray[np.float64]
    sems: npt.NDArray[np.float64]
    columns: tuple[str, ...]


def read_table(
    path: Path | str, objectives: Sequence[str], features: Sequence[str] | None = None
) -> Table:
    """Read past measurements from a CSV file.

    Args:
        path: a CSV file with a header line.
        objectives: names of the columns that were measured.
        features: names of the columns that were decided; None for all others.

    Raises:
        UserError: the file or a column is missing, or a cell of an objective is no number. Rows
            in which an objective is blank are left out.

    """
    header, rows = _read_csv(Path(path))
    for column in [*objectives, *(features or ())]:
        if column not in header:
            raise UserError(f"{path} has no column '{column}'; it has {', '.join(header)}.")
    if features is None:
        features = [column for column in header if column not in objectives]
    clash = set(features) & set(objectives)
    if clash or not features:
        raise UserError(
            f"{', '.join(sorted(clash)) or 'every column'} of {path} is both feature and "
            "objective; name the features with --features."
        )
    place = {column: header.index(column) for column in header}
    rows = [row for row in rows if all(row[place[c]].strip() for c in objectives)]
    if not rows:
        raise UserError(f"{path} has no row with a value for {', '.join(objectives)}.")
    measured = np.array([[_number(path, row[place[c]], c) for c in objectives] for row in rows])
    space = TableSpace({c: _typed([row[place[c]] for row in rows]) for c in features})
    return Table(space, *_merge(measured, space.row_of, len(space)), columns=tuple(objectives))


def _read_csv(path: Path) -> tuple[list[str], list[list[str]]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = [line for line in csv.reader(file) if line]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the table {path}: {error}.") from error
    if len(lines) < 2:
        raise UserError(f"the table {path} has no rows; give a CSV file with a header line.")
    for i, line in enumerate(lines):
        if len(line) != len(lines[0]):
            raise UserError(
                f"line {i + 1} of {path} has {len(line)} cells where the header has "
                f"{len(lines[0])}."
            )
    return [name.strip() for name in lines[0]], lines[1:]


def _number(path: Path | str, cell: str, column: str) -> float:
    try:
        number = float(cell)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UserError(f"column '{column}' of {path} holds '{cell}', which is no finite number.")
    return number


def _typed(cells: Sequence[str]) -> list[Value]:
    """Cells of a column as booleans, integers, floats or, where that fails, text."""
    texts = [cell.strip() for cell in cells]
    filled = [text for text in texts if text]
    if filled and all(text.lower() in ("true", "false") for text in filled):
        return [text if not text else text.lower() == "true" for text in texts]
    for kind in (int, float):
        try:
            numbers: list[Value] = [kind(text) if text else BLANK for text in texts]
        except ValueError:
            continue
        if filled and all(math.isfinite(float(n)) for n in numbers if n != BLANK):
            return numbers
    return list(texts)


def _merge(
    measured: npt.NDArray[np.float64], group: npt.NDArray[np.int64], n: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Mean and standard error of the rows that share a configuration, `n x m` each."""
    means = np.empty((n, measured.shape[1]))
    sems = np.full((n, measured.shape[1]), np.nan)
    for i in range(n):
        repeats = measured[group == i]
        means[i] = repeats.mean(0)
        if len(repeats) > 1:
            sems[i] = repeats.std(0, ddof=1) / math.sqrt(len(repeats))
    return means, sems
