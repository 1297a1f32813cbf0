"""The table of commands."""

from __future__ import annotations

from typing import Annotated

import typer

from tuner.cli import gpu, space, workload
from tuner.cli.compare import compare
from tuner.cli.doctor import doctor
from tuner.cli.replay import replay
from tuner.cli.run import run

app = typer.Typer(
    name="tune",
    help="Find how to run a language model with less energy without making it slow or wrong.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"tune {version('llm-pareto-tuner')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Find how to run a language model with less energy without making it slow or wrong."""


app.command("run")(run)
app.command("doctor")(doctor)
app.command("replay")(replay)
app.command("compare")(compare)
app.add_typer(space.app, name="space")
app.add_typer(gpu.app, name="gpu")
app.add_typer(workload.app, name="workload")
