"""`tune workload`: questions to what an engine is going to be asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from tuner.cli.shared import AsJson, group

app = group("workload", "Look at a workload: how long, how many, how often.")


@app.command()
def show(
    what: Annotated[
        str,
        typer.Argument(
            metavar="TRACE",
            help="A trace (.csv), prompts (.jsonl), or a distribution, like "
            "lognormal:input=1020/4142,output=129/601,rate=2 (median/99 %).",
        ),
    ],
    n: Annotated[int | None, typer.Option("-n", help="How many requests.")] = None,
    scale: Annotated[float, typer.Option(help="Divide token lengths by this.")] = 1,
    rate: Annotated[
        float | None, typer.Option(help="Poisson arrivals, so many a second, instead.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of samples, lengths and arrivals.")] = 0,
    model: Annotated[
        str | None, typer.Option(help="Count the tokens of prompts as this model does.")
    ] = None,
    plot: Annotated[str | None, typer.Option(help="Draw it into this PNG file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show lengths, arrivals and power-of-two bins."""
    from tuner.builtin_models.counting import token_counter
    from tuner.workloads import Grid, read_lengths
    from tuner.workloads.prompt_synthesis import estimated_count
    from tuner.workloads.summary import summarise

    count = estimated_count if model is None else token_counter(model)
    trace = read_lengths(what, n=n, seed=seed, scale=scale, rate=rate, count=count)
    summary = summarise(trace, Grid().scaled(scale))
    if plot is not None:
        from tuner.workloads.drawing import draw

        draw(summary, Path(plot))
    if as_json:
        print(json.dumps(summary.to_dict(), allow_nan=False))
        return
    from rich.console import Console

    from tuner.workloads.view import show as view

    view(summary, Console())
    if plot is not None:
        print(f"\nDrawn into {plot}.")


@app.command()
def energy(
    what: Annotated[
        str, typer.Argument(metavar="TRACE", help="A trace (.csv), or a distribution.")
    ],
    model: Annotated[str, typer.Option(help="A built-in model, a folder, or a hub id.")],
    n: Annotated[int | None, typer.Option("-n", help="How many requests.")] = None,
    scale: Annotated[float, typer.Option(help="Divide token lengths by this.")] = 1,
    batch: Annotated[int, typer.Option(help="Requests answered together.", min=1)] = 4,
    rounds: Annotated[
        int, typer.Option(help="Times that every bin is measured, with other requests.", min=2)
    ] = 5,
    seed: Annotated[int, typer.Option(help="Of the requests and their order.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Measure a few requests of each bin, and add up the energy of the whole workload."""
    from rich.console import Console

    from tuner.builtin_models.context import context_of
    from tuner.run.workload_energy import measure_workload
    from tuner.workloads import Grid, read_lengths
    from tuner.workloads.view import show_energy

    trace, grid = read_lengths(what, n=n, seed=seed, scale=scale), Grid().scaled(scale)
    longest = context_of(model)
    trace, shortened = (trace, 0) if longest is None else trace.fitted(longest)
    console = Console(stderr=as_json)
    with console.status("loading") as status:
        measured = measure_workload(
            trace,
            model,
            grid=grid,
            batch=batch,
            rounds=rounds,
            seed=seed,
            on_progress=status.update,
        )
    if as_json:
        print(json.dumps(measured.to_dict() | {"shortened": shortened}, allow_nan=False))
        return
    show_energy(trace.name, measured.whole, measured.scope, console)
    if shortened:
        print(f"{shortened} requests were shortened to the {longest} tokens that {model} takes.")
