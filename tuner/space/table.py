"""Past measurements read from a CSV file, as a space and what was measured in it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tuner.errors import UserError
from tuner.space._csv import Sheet, read_sheet
from tuner.space._typed import finite, typed
from tuner.space.table_space import TableSpace

if TYPE_CHECKING:
    import pandas as pd

NO_NUMBER = frozenset(
    ["", "nan", "na", "n/a", "none", "null", "-", "oom", "failed", "error", "crash", "timeout"]
)
"""What stands for a measurement that failed or was not made."""

SHOWN = 3
"""Lines that a note names."""


@dataclass(frozen=True)
class Table:
    """Past measurements: a space over the distinct rows and what was measured in each.

    Attributes:
        space: the space; `space.rows_` are its rows in the order of their first appearance.
        values: objective values `n x m`, rows that were measured repeatedly are averaged.
        sems: standard errors of the averages `n x m`; NaN where a row was measured once.
        columns: names of the m objective columns.
        notes: what was done to the rows, a sentence each: left out, averaged.

    """

    space: TableSpace
    values: npt.NDArray[np.float64]
    sems: npt.NDArray[np.float64]
    columns: tuple[str, ...]
    notes: tuple[str, ...] = ()


def read_table(
    path: Path | str, objectives: Sequence[str], features: Sequence[str] | None = None
) -> Table:
    """Read past measurements from a CSV file.

    Cells are separated by commas, semicolons or tabs; where it is not commas, numbers may have
    decimal commas. Rows in which an objective is blank or says that there is no number
    (`NO_NUMBER`) are left out.

    Args:
        path: a CSV file with a header line.
        objectives: names of the columns that were measured.
        features: names of the columns that were decided; None for all others.

    Raises:
        UserError: the file or a column is missing, or a cell of an objective is no number; it
            names line and column.

    """
    sheet = read_sheet(Path(path))
    header = list(sheet.cells.columns)
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
    missing = sheet.cells[list(objectives)].apply(lambda column: column.str.lower().isin(NO_NUMBER))
    failed = missing.any(axis=1)
    cells = sheet.cells[~failed]
    if cells.empty:
        raise UserError(f"{path} has no row with a value for {', '.join(objectives)}.")
    measured = np.array(
        [[_number(sheet, line, c, text) for line, text in cells[c].items()] for c in objectives]
    ).T
    space = TableSpace({c: typed(cells[c], sheet.decimal) for c in features})
    notes = [*_left_out(sheet, missing), *_averaged(cells, space, [*objectives, *features])]
    merged = _merge(np.ascontiguousarray(measured), space.row_of, len(space))
    return Table(space, *merged, columns=tuple(objectives), notes=tuple(notes))


def _number(sheet: Sheet, line: object, column: str, text: str) -> float:
    number = finite(text, sheet.decimal)
    if number is None:
        comma = " (with a decimal comma?)" if finite(text, ",") is not None else ""
        raise UserError(
            f"line {line} of {sheet.path}, column '{column}': '{text[:60]}' is no finite "
            f"number{comma}."
        )
    return number


def _left_out(sheet: Sheet, missing: pd.DataFrame) -> list[str]:
    """What is said about rows without a number for an objective."""
    failed = missing[missing.any(axis=1)]
    if failed.empty:
        return []
    named = []
    for line, row in failed.head(SHOWN).iterrows():
        column = row.idxmax()
        text = sheet.cells.at[line, column]
        named.append(f"line {line}: {column} is {repr(text) if text else 'blank'}")
    more = ", .." if len(failed) > SHOWN else ""
    return [
        f"{len(failed)} of {len(missing)} rows are left out: an objective has no number "
        f"({'; '.join(named)}{more})."
    ]


def _averaged(cells: pd.DataFrame, space: TableSpace, known: Sequence[str]) -> list[str]:
    """What is said about rows that share a configuration."""
    if len(cells) == len(space):
        return []
    others = [column for column in cells.columns if column not in known]
    varied = [
        column for column in others if (cells[column].groupby(space.row_of).nunique() > 1).any()
    ]
    hint = f"; they differ in {', '.join(varied)}, no features here" if varied else ""
    return [
        f"{len(cells)} rows, {len(space)} configurations: rows with the same features are "
        f"averaged{hint}."
    ]


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
