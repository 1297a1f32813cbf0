"""The cells of a CSV file, with their lines."""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tuner.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

SEPARATORS = ",;\t"


@dataclass(frozen=True)
class Sheet:
    """A table as it is written.

    Attributes:
        path: of the file.
        cells: texts without the blanks around them; the index are the lines of the file.
        decimal: the sign before the decimals of its numbers.
    """

    path: Path
    cells: pd.DataFrame
    decimal: str


def read_sheet(path: Path) -> Sheet:
    """Read a CSV file with a header line; blank lines are skipped.

    The separator is the one of comma, semicolon and tab that the header has most of. Where it is
    not the comma, numbers have decimal commas if one of them has.

    Raises:
        UserError: where the file can't be read, has no rows, a line with more or fewer cells than
            the header, a quote that is never closed, or a column twice.
    """
    import pandas as pd

    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the table {path}: {error}.") from error
    first = next((line for line in text.splitlines() if line.strip()), "")
    separator = max(SEPARATORS, key=first.count)
    header: list[str] | None = None
    lines: dict[int, list[str]] = {}
    for line, row in _rows(path, text, separator):
        if header is None:
            header = row
            _check_header(path, header)
        elif len(row) != len(header):
            raise UserError(
                f"line {line} of {path} has {len(row)} cells where the header has {len(header)}."
            )
        else:
            lines[line] = row
    if header is None or not lines:
        raise UserError(f"the table {path} has no rows; give a CSV file with a header line.")
    cells = pd.DataFrame.from_dict(lines, orient="index", columns=header, dtype=str)
    return Sheet(path, cells, _decimal(cells, separator))


def _rows(path: Path, text: str, separator: str) -> list[tuple[int, list[str]]]:
    """The rows that are not blank, each with the line on which it begins."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    found: list[tuple[int, list[str]]] = []
    begin = 1
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells):
                found.append((begin, cells))
            begin = reader.line_num + 1
    except csv.Error as error:
        reason = str(error)
        if "end of data" in reason:
            reason = "a quote is never closed"
        elif "field limit" in reason:
            reason = f"a cell is longer than {csv.field_size_limit()}: is a quote never closed?"
        raise UserError(f"line {begin} of {path} can't be read: {reason.rstrip('.')}.") from error
    return found


def _check_header(path: Path, header: list[str]) -> None:
    for name, times in Counter(header).items():
        if times > 1:
            where = " and ".join(str(i + 1) for i, other in enumerate(header) if other == name)
            raise UserError(f"{path} has the column '{name}' {times} times: columns {where}.")


def _decimal(cells: pd.DataFrame, separator: str) -> str:
    """The sign before decimals: a comma where it separates nothing and some number has one."""
    if separator == ",":
        return "."
    number = r"[+-]?\d*,\d+([eE][+-]?\d+)?"
    return "," if cells.apply(lambda column: column.str.fullmatch(number)).any(axis=None) else "."
