"""`tune replay`: tune on a table of past measurements."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuner.errors import UserError

if TYPE_CHECKING:
    from tuner.search import Objective
    from tuner.search.replay import Replay
    from tuner.space import Table


def replay(
    table: Annotated[Path, typer.Argument(help="CSV file of past measurements.")],
    objective: Annotated[
        list[str],
        typer.Option(metavar="COLUMN:MIN|MAX", help="A column to improve; one option for each."),
    ],
    features: Annotated[
        str | None,
        typer.Option(help="Columns that were decided, comma-separated; by default all others."),
    ] = None,
    sampler: Annotated[
        str, typer.Option(help="pareto (the tuner's), random, qmc, tpe, nsga2 or gp.")
    ] = "pareto",
    max_trials: Annotated[int, typer.Option(help="Measure at most so many rows.")] = 100,
    seed: Annotated[int, typer.Option(help="Of every random choice.")] = 0,
    run_on: Annotated[
        bool, typer.Option("--run-on", help="Go on where the stopping rule would have ended it.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the run alone, as one JSON object.")
    ] = False,
) -> None:
    """Tune on a table of past measurements and show what the tuner would have saved."""
    from tuner.search.replay import replay as run

    past, objectives = open_table(table, objective, features, max_trials)
    result = run(past, objectives, sampler=sampler, max_trials=max_trials, seed=seed, run_on=run_on)
    if as_json:
        json.dump(result.to_dict(past, objectives), sys.stdout, allow_nan=False)
        print()
        return
    _show(result, past, objectives)


def open_table(
    path: Path, objective: list[str], features: str | None, max_trials: int
) -> tuple[Table, list[Objective]]:
    """The table and its objectives, or a `UserError` that says what is wrong with the options."""
    from tuner.search import Objective
    from tuner.space import read_table

    if max_trials < 1:
        raise UserError(f"--max-trials {max_trials}: nothing can be measured; give at least 1.")
    objectives = [Objective.parse(text) for text in objective]
    metrics = [o.metric for o in objectives]
    if len(set(metrics)) < len(metrics):
        raise UserError("--objective names a column twice; name each once.")
    names = None if features is None else [name.strip() for name in features.split(",")]
    return read_table(path, metrics, names), objectives


def _show(result: Replay, table: Table, objectives: list[Objective]) -> None:
    from rich.console import Console

    from tuner.report.comparison import replay_view

    Console().print(replay_view(result, table, objectives))
