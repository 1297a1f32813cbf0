"""`tune run`: a whole study from the command line."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuner.cli.engine_options import EngineOptions, with_engine
from tuner.cli.shared import AsJson, MaxTime, Seed, check_trials, parse_duration, print_json, say

if TYPE_CHECKING:
    from tuner.advice import Result
    from tuner.study import StudySpec


@with_engine
def run(
    engine: EngineOptions,
    slo: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LEVEL",
            help="A promise to keep: 'p99_ttft_ms<500', 'accuracy>=default-0.01', or for each "
            "request in milliseconds 'ttft:500 tpot:50'.",
        ),
    ] = None,
    limit: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LIMIT",
            help="What nobody would deploy: 'mean_e2el_ms<5x' of the default, or a number. 10x in "
            "energy and latency by default; what lies beyond is ended early.",
        ),
    ] = None,
    objective: Annotated[
        list[str] | None,
        typer.Option(
            metavar="METRIC:MIN|MAX",
            help="What to improve; by default joules_per_request, mean_e2el_ms and, where answers "
            "are graded, accuracy.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the study; the same one again goes on where it stopped."),
    ] = None,
    max_trials: Annotated[
        int | None, typer.Option(help="Measure at most so many configurations.")
    ] = None,
    max_time: MaxTime = None,
    tolerance: Annotated[
        float,
        typer.Option(help="Accuracy that a recommendation may lose against the default."),
    ] = 0.02,
    verify_rounds: Annotated[
        int,
        typer.Option(
            help="In how many blocks candidates are run again beside the default at most; with "
            "--max-time, what is left of it is used for more."
        ),
    ] = 12,
    acquisition: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="What proposes configurations: ehvi (the default), qlognehvi or qlognparego.",
        ),
    ] = None,
    plan: Annotated[
        bool,
        typer.Option(
            "--plan", help="Only say what would be measured, in what time; start nothing."
        ),
    ] = False,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Tune a language model on this machine and recommend verified configurations."""
    check_trials(max_trials)
    spec = engine.spec(
        levels=tuple(slo or ()),
        limits=tuple(limit or ()),
        objectives=tuple(objective) if objective else None,
        acquisition=acquisition,
        seed=seed,
        max_trials=max_trials,
        max_seconds=None if max_time is None else parse_duration(max_time),
        accuracy_tolerance=tolerance,
        verify_rounds=verify_rounds,
    )
    if plan:
        _show_plan(spec, as_json)
        return
    folder = out or Path("runs") / time.strftime("%Y-%m-%d-%H%M%S")
    result = _watch(spec, folder, as_json)
    _show(result, folder, as_json)


def _watch(spec: StudySpec, folder: Path, as_json: bool) -> Result:
    """Run the study with a display on standard error where standard output is for the JSON."""
    from rich.console import Console

    from tuner.report.live import watching

    console = Console(stderr=as_json)
    say(console, f"Results go to {folder}")
    from tuner.run import run_study

    try:
        with watching(spec, console) as observe:
            return run_study(spec, folder, observe, began=_started())
    except (KeyboardInterrupt, SystemExit):
        known = "result.json says what is known; " if (folder / "result.json").is_file() else ""
        again = f"the same command with --out {folder} goes on from there"
        say(console, f"What was measured is kept: {known}{again}.")
        raise


def _started() -> float:
    """When this program was started, by `time.monotonic`."""
    import psutil

    return time.monotonic() - (time.time() - psutil.Process().create_time())


def _show_plan(spec: StudySpec, as_json: bool) -> None:
    from tuner.run.planning import plan_study

    found = plan_study(spec)
    if as_json:
        print_json(found.to_dict())
        return
    from rich.console import Console

    from tuner.report.plan_view import plan_view

    Console().print(plan_view(found))


def _show(result: Result, folder: Path, as_json: bool) -> None:
    if as_json:
        print_json(result.to_dict())
        return
    from rich.console import Console

    from tuner.report.result_view import result_view

    console = Console()
    console.print(result_view(result))
    say(console, f"Written to {folder}: result.json, trials.csv, front.png, recommended/*/")
