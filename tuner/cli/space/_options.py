"""What the commands of `tune space` share: options, and a time limit."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

import typer

File = Annotated[str, typer.Argument(help="A .uvl file, or the name of a shipped space.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="A choice: feature=value, feature=false, parent=child."),
]
Raw = Annotated[
    bool,
    typer.Option(
        "--raw", help="The file as it stands, without what this machine and `tune run` fix."
    ),
]
All = Annotated[
    bool, typer.Option("--all", help="Also configurations that amount to another one (inert).")
]
Patience = Annotated[float, typer.Option(help="Seconds after which it gives up.", min=0.1)]
PATIENCE = 7.0

MOST_DIGITS = 100_000
"""Digits of the longest count that is written out."""


def patient(answer: Callable[..., None]) -> Callable[..., None]:
    """A command that gives up when the seconds of its option `--patience` are over."""

    @wraps(answer)
    def limited(*arguments: Any, **options: Any) -> None:
        from tuner.features import deadline

        sys.set_int_max_str_digits(MOST_DIGITS)
        with deadline(options["patience"]):
            answer(*arguments, **options)

    return limited
