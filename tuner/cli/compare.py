"""`tune compare`: several optimisers side by side on one table."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from tuner.cli.replay import open_table
from tuner.errors import UserError


def compare(
    table: Annotated[Path, typer.Argument(help="CSV file of past measurements.")],
    objective: Annotated[
        list[str],
        typer.Option(metavar="COLUMN:MIN|MAX", help="A column to improve; one option for each."),
    ],
    features: Annotated[
        str | None,
        typer.Option(help="Columns that were decided, comma-separated; by default all others."),
    ] = None,
    samplers: Annotated[
        str,
        typer.Option(help="Comma-separated, out of pareto, random, qmc, tpe, nsga2 and gp."),
    ] = "pareto,random,tpe",
    seeds: Annotated[int, typer.Option(help="Runs of each sampler.")] = 5,
    max_trials: Annotated[int, typer.Option(help="Measure at most so many rows.")] = 60,
    plot: Annotated[
        Path | None, typer.Option(help="Write hypervolume over measurements to this PNG file.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the comparison alone, as one JSON object.")
    ] = False,
) -> None:
    """Compare optimisers side by side on a table of past measurements."""
    from rich.console import Console

    from tuner.report.comparison import comparison_view, plot_comparison, to_dict
    from tuner.search.replay import SAMPLERS
    from tuner.search.replay import replay as run

    past, objectives = open_table(table, objective, features, max_trials)
    names = [name.strip() for name in samplers.split(",")]
    for name in names:
        if name not in SAMPLERS:
            raise UserError(
                f"--samplers: there is no sampler '{name}'; choose out of {', '.join(SAMPLERS)}."
            )
    if seeds < 1:
        raise UserError(f"--seeds {seeds}: nothing can be run; give at least 1.")
    console = Console(stderr=True)
    runs = []
    for seed in range(seeds):
        for name in names:
            with console.status(f"{name}, seed {seed} of {seeds}"):
                runs.append(
                    run(
                        past,
                        objectives,
                        sampler=name,
                        max_trials=max_trials,
                        seed=seed,
                        run_on=True,
                    )
                )
    if plot is not None:
        plot_comparison(runs, plot)
    if as_json:
        json.dump(to_dict(runs, past, objectives), sys.stdout, allow_nan=False)
        print()
        return
    Console().print(comparison_view(runs, len(past.space)))
