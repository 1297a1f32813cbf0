"""What several commands share: options that mean the same everywhere, and the heads of groups."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tuner.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console

    from tuner.search import Objective
    from tuner.space import Table

AsJson = Annotated[bool, typer.Option("--json", help="Print the answer alone, as one JSON object.")]
Features = Annotated[
    str | None,
    typer.Option(help="Columns that were decided, comma-separated; by default all others."),
]
MaxTime = Annotated[
    str | None, typer.Option(help="Take at most so long, everything included: 90s, 8m, 2h.")
]
Seed = Annotated[int, typer.Option(help="Of every random choice.")]


def group(name: str, text: str) -> typer.Typer:
    """A group of commands, to be told what it is about."""
    return typer.Typer(
        name=name,
        help=text,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )


def open_table(
    path: Path, objective: list[str], features: str | None
) -> tuple[Table, list[Objective]]:
    """A table of past measurements and its objectives; `UserError` for what does not fit.

    What was done to its rows is said on standard error.
    """
    from tuner.search import Objective
    from tuner.space import read_table

    objectives = [Objective.parse(text) for text in objective]
    metrics = [o.metric for o in objectives]
    if len(set(metrics)) < len(metrics):
        raise UserError("--objective names a column twice; name each once.")
    names = None if features is None else [name.strip() for name in features.split(",")]
    table = read_table(path, metrics, names)
    for note in table.notes:
        print(f"{path}: {note}", file=sys.stderr)
    return table, objectives


def check_trials(max_trials: int | None) -> None:
    """Refuse a limit that leaves nothing to measure."""
    if max_trials is not None and max_trials < 1:
        raise UserError(f"--max-trials {max_trials}: nothing can be measured; give at least 1.")


def parse_duration(text: str) -> float:
    """Seconds from `90`, `90s`, `8m`, `1.5h`; UserError for anything else and for zero."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|sec|m|min|h)?", text.strip())
    if match is None:
        raise UserError(
            f"--max-time {text}: not a length of time; write for instance 90s, 8m or 2h."
        )
    seconds = float(match[1]) * {"s": 1, "m": 60, "h": 3600}[(match[2] or "s")[0]]
    if seconds <= 0:
        raise UserError(
            f"--max-time {text}: nothing can be measured in no time; give for instance 8m."
        )
    return seconds


def print_json(answer: dict[str, Any]) -> None:
    """Print an answer as one JSON object."""
    json.dump(answer, sys.stdout, allow_nan=False)
    print()


def say(console: Console, text: str) -> None:
    """Print a sentence as it is, paths unbroken."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)
