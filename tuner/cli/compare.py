"""`tune compare`: several optimisers side by side, on a table or on a live engine."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuner.cli.engine_options import EngineOptions, with_engine
from tuner.cli.shared import (
    AsJson,
    Features,
    MaxTime,
    check_trials,
    open_table,
    parse_duration,
    print_json,
    say,
)
from tuner.errors import UserError

if TYPE_CHECKING:
    from tuner.study import StudySpec

ON_TABLE, LIVE = (5, 60), (3, 30)
"""Seeds, and measurements of each run, where the options do not say."""


@with_engine
def compare(
    engine: EngineOptions,
    table: Annotated[
        Path | None,
        typer.Argument(
            help="CSV file of past measurements; without one a live engine is measured, as the "
            "options of tune run say."
        ),
    ] = None,
    objective: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME:MIN|MAX",
            help="A column of the table or a metric of the engine to improve; one option for each.",
        ),
    ] = None,
    features: Features = None,
    samplers: Annotated[
        str,
        typer.Option(help="Comma-separated, out of pareto, random, qmc, tpe, nsga2 and gp."),
    ] = "pareto,random,tpe",
    seeds: Annotated[
        int | None, typer.Option(help="Runs of each sampler; 5 on a table, 3 on an engine.")
    ] = None,
    max_trials: Annotated[
        int | None,
        typer.Option(help="Measurements of each run; 60 on a table, 30 on an engine."),
    ] = None,
    max_time: MaxTime = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of a live comparison; the same one again goes on with it."),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Draw hypervolume over measurements into this PNG file.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare optimisers side by side on a table of past measurements, or on a live engine."""
    check_trials(max_trials)
    if seeds is not None and seeds < 1:
        raise UserError(f"--seeds {seeds}: nothing can be run; give at least 1.")
    names = _names(samplers)
    if table is None:
        if features is not None:
            raise UserError("--features are columns of a table; give the table too.")
        spec = engine.spec(
            objectives=tuple(objective) if objective else None,
            max_trials=max_trials or LIVE[1],
            max_seconds=None if max_time is None else parse_duration(max_time),
        )
        _live(spec, names, seeds or LIVE[0], out, plot, as_json)
        return
    live = engine.given + [o for o, x in (("--max-time", max_time), ("--out", out)) if x]
    if live:
        raise UserError(
            f"{', '.join(live)}: a table runs nothing; leave out the table to measure an engine."
        )
    if not objective:
        raise UserError("--objective is missing: name a column to improve, as in energy_j:min.")
    max_trials, seeds = max_trials or ON_TABLE[1], seeds or ON_TABLE[0]
    _on_table(table, objective, features, names, seeds, max_trials, plot, as_json)


def _names(samplers: str) -> list[str]:
    from tuner.search.replay import SAMPLERS

    names = list(dict.fromkeys(name.strip() for name in samplers.split(",")))
    for name in names:
        if name not in SAMPLERS:
            raise UserError(
                f"--samplers: there is no sampler '{name}'; choose out of {', '.join(SAMPLERS)}."
            )
    return names


def _on_table(
    path: Path,
    objective: list[str],
    features: str | None,
    names: list[str],
    seeds: int,
    max_trials: int,
    plot: Path | None,
    as_json: bool,
) -> None:
    from rich.console import Console

    from tuner.compare.comparison_view import comparison_view, plot_comparison, summary
    from tuner.search.replay import replay

    table, objectives = open_table(path, objective, features)
    console = Console(stderr=True)
    runs = []
    for seed in range(seeds):
        for name in names:
            with console.status(f"{name}, seed {seed} of {seeds}"):
                runs.append(
                    replay(
                        table,
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
        answer = {
            "samplers": summary(runs),
            "runs": [run.to_dict(table, objectives) for run in runs],
        }
        print_json(answer)
        return
    size = len(table.space)
    Console().print(comparison_view(runs, f"the log hypervolume of {size} rows"))


def _live(
    spec: StudySpec,
    names: list[str],
    seeds: int,
    out: Path | None,
    plot: Path | None,
    as_json: bool,
) -> None:
    from rich.console import Console

    from tuner.compare.comparison_view import compared_view, plot_comparison, summary
    from tuner.compare.progress import following
    from tuner.compare.runner import INTERRUPTED, run_comparison

    folder = out or Path("runs") / time.strftime("compare-%Y-%m-%d-%H%M%S")
    console = Console(stderr=True)
    say(console, f"Results go to {folder}")
    metrics = [text.split(":")[0] for text in spec.effective_objectives]
    with following(metrics, console) as follow:
        compared = run_comparison(spec, names, seeds, folder, follow)
    answer = {"samplers": summary(compared.runs), **compared.to_dict()}
    (folder / "comparison.json").write_text(json.dumps(answer, indent=1, allow_nan=False) + "\n")
    for path in filter(None, (folder / "comparison.png", plot)):
        plot_comparison(compared.runs, path, of="the best known")
    if as_json:
        print_json(answer)
    else:
        Console().print(compared_view(compared))
        say(console, f"Written to {folder}: comparison.json, comparison.png, comparison.db")
    if compared.stopped_by == INTERRUPTED:
        say(console, f"The same command with --out {folder} goes on from there.")
        raise typer.Exit(130)
