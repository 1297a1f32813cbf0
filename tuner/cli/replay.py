"""`tune replay`: tune on a table of past measurements."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuner.cli.shared import AsJson, Features, Seed, check_trials, open_table, print_json

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
    features: Features = None,
    sampler: Annotated[
        str, typer.Option(help="pareto (the tuner's), random, qmc, tpe, nsga2 or gp.")
    ] = "pareto",
    max_trials: Annotated[int, typer.Option(help="Measure at most so many rows.")] = 100,
    seed: Seed = 0,
    run_on: Annotated[
        bool, typer.Option("--run-on", help="Go on where the stopping rule would have ended it.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Tune on a table of past measurements and show what the tuner would have saved."""
    from tuner.search.replay import replay as run

    check_trials(max_trials)
    past, objectives = open_table(table, objective, features)
    result = run(past, objectives, sampler=sampler, max_trials=max_trials, seed=seed, run_on=run_on)
    if as_json:
        print_json(result.to_dict(past, objectives))
        return
    _show(result, past, objectives)


def _show(result: Replay, table: Table, objectives: list[Objective]) -> None:
    from rich.console import Console

    from tuner.compare.comparison_view import replay_view

    Console().print(replay_view(result, table, objectives))
