"""The trials of a study as a table of pandas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tuner.study import Record

if TYPE_CHECKING:
    import pandas as pd


def trials_frame(trials: Sequence[Record]) -> pd.DataFrame:
    """One row a trial, in the order of the trials.

    Columns: `number`, `state`, `cause`, `message`, `validity`, `seconds`, one `feature:NAME` for
    each feature of any trial, then for each metric `NAME [UNIT]` and the ends of its 95 % interval
    `NAME low` and `NAME high`, and `energy_source`. What a trial does not have is missing. Columns
    of whole numbers are `Int64` and of Booleans `boolean`, since those of numpy cannot miss a cell.
    """
    import pandas as pd

    rows = [_row(trial.to_dict()) for trial in trials]
    names = dict.fromkeys(name for row in rows for name in row)
    return pd.DataFrame({name: _column([row.get(name) for row in rows]) for name in names})


def _column(values: list[Any]) -> pd.Series[Any]:
    import pandas as pd

    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return pd.Series(values, dtype="boolean")
    if kinds == {int}:
        return pd.Series(values, dtype="Int64")
    if kinds and kinds <= {int, float}:
        return pd.Series(values, dtype="float64")
    return pd.Series(values, dtype=object)


def _row(record: dict[str, Any]) -> dict[str, Any]:
    failure = record["failure"] or {}
    row: dict[str, Any] = {
        "number": record["number"],
        "state": record["state"],
        "cause": failure.get("cause"),
        "message": failure.get("message"),
        "validity": record["validity"],
        "seconds": record["seconds"],
    }
    row |= {f"feature:{name}": value for name, value in record["configuration"].items()}
    for name, metric in record["metrics"].items():
        row[f"{name} [{metric['unit']}]"] = metric["value"]
        row[f"{name} low"] = metric["low"]
        row[f"{name} high"] = metric["high"]
        if "energy_source" in metric:
            row["energy_source"] = metric["energy_source"]
    return row
