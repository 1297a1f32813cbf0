"""`tune run`: a whole study from the command line."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuner.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console

    from tuner.advice import Result
    from tuner.study import StudySpec


def run(
    model: Annotated[
        list[str] | None,
        typer.Option(help="builtin, a folder, or a hub id; several make it a choice."),
    ] = None,
    task: Annotated[
        str, typer.Option(help="builtin, or a JSONL file of prompts with reference answers.")
    ] = "builtin",
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the study; the same one again goes on where it stopped."),
    ] = None,
    max_trials: Annotated[
        int | None, typer.Option(help="Measure at most so many configurations.")
    ] = None,
    max_time: Annotated[
        str | None,
        typer.Option(help="Take at most so long, verification included: 90s, 8m, 2h."),
    ] = None,
    pins: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FEATURE=VALUE", help="Fix a feature of the space."),
    ] = None,
    objective: Annotated[
        list[str] | None,
        typer.Option(
            metavar="METRIC:MIN|MAX",
            help="What to improve; by default joules_per_request, mean_e2el_ms and accuracy.",
        ),
    ] = None,
    tolerance: Annotated[
        float,
        typer.Option(help="Accuracy that a recommendation may lose against the default."),
    ] = 0.02,
    prompts: Annotated[int, typer.Option(help="How many prompts of the built-in task.")] = 128,
    space: Annotated[
        str, typer.Option(help="A shipped feature model, or the path of a UVL file.")
    ] = "transformers",
    seed: Annotated[int, typer.Option(help="Of every random choice.")] = 0,
    trust_remote_code: Annotated[
        bool, typer.Option(help="Let a model's own Python code run.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result alone, as one JSON object.")
    ] = False,
) -> None:
    """Tune a language model on this machine and recommend verified configurations."""
    models = tuple(model or ["builtin"])
    if task == "builtin" and not all(name.split(":")[0] == "builtin" for name in models):
        raise UserError(
            "--task is missing: the built-in problems are for the built-in models; give a JSONL "
            'file with lines like {"prompt": "2+2=", "answer": "4", "grader": "exact"}.'
        )
    folder = out or Path("runs") / time.strftime("%Y-%m-%d-%H%M%S")
    if max_trials is not None and max_trials < 1:
        raise UserError(f"--max-trials {max_trials}: nothing can be measured; give at least 1.")
    seconds = None if max_time is None else parse_duration(max_time)
    spec = _spec(
        models=models,
        task=task,
        n_prompts=prompts,
        space=space,
        pins=_pins(space, pins or [], models, trust_remote_code),
        seed=seed,
        max_trials=max_trials,
        max_seconds=seconds,
        accuracy_tolerance=tolerance,
        trust_remote_code=trust_remote_code,
        **({"objectives": tuple(objective)} if objective else {}),
    )
    result = _watch(spec, folder, as_json)
    _show(result, folder, as_json)


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


def _spec(**fields: object) -> StudySpec:
    from tuner.study import StudySpec

    return StudySpec.of(**fields)


def _pins(
    space: str, texts: list[str], models: tuple[str, ...], trust_remote_code: bool
) -> dict[str, bool | int | float | str]:
    if not texts:
        return {}
    from tuner.space import load_model, parse_pins
    from tuner.study.models import resolve_models, study_domains

    model = load_model(space)
    domains = study_domains(model, resolve_models(models, trust_remote_code))
    return dict(parse_pins(model, texts, domains=domains))


def _watch(spec: StudySpec, folder: Path, as_json: bool) -> Result:
    """Run the study with a display on standard error where standard output is for the JSON."""
    from rich.console import Console

    from tuner.report.live import watching

    console = Console(stderr=as_json)
    console.print(f"Results go to {folder}", markup=False, highlight=False, soft_wrap=True)
    from tuner.run import run_study

    try:
        with watching(spec, console) as observe:
            return run_study(spec, folder, observe)
    except KeyboardInterrupt:
        _interrupted(console, folder)
        raise


def _interrupted(console: Console, folder: Path) -> None:
    console.print(
        f"What was measured is kept: the same command with --out {folder} goes on from there.",
        markup=False,
        highlight=False,
    )


def _show(result: Result, folder: Path, as_json: bool) -> None:
    if as_json:
        import json

        json.dump(result.to_dict(), sys.stdout, allow_nan=False)
        print()
        return
    from rich.console import Console

    from tuner.report.table import result_view

    console = Console()
    console.print(result_view(result))
    console.print(
        f"Written to {folder}: result.json, trials.csv, front.png, recommended/*/",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
