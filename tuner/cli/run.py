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
        str | None,
        typer.Option(
            help="builtin, or a JSONL file of prompts with reference answers; builtin where "
            "neither this nor --workload is given."
        ),
    ] = None,
    workload: Annotated[
        str | None,
        typer.Option(
            help="What is asked: a trace of token lengths (.csv), prompts (.jsonl), or a "
            "distribution (see tune workload show).",
        ),
    ] = None,
    requests: Annotated[
        int | None, typer.Option("-n", "--requests", help="How many requests of the workload.")
    ] = None,
    scale: Annotated[
        float, typer.Option(help="What the workload's token lengths are divided by.")
    ] = 1.0,
    rate: Annotated[
        str | None,
        typer.Option(help="Poisson arrivals a second, or closed; the workload's own by default."),
    ] = None,
    slo: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LEVEL",
            help="A promise to keep: 'p99_ttft_ms<500', 'accuracy>=default-0.01', or for each "
            "request in milliseconds 'ttft:500 tpot:50'.",
        ),
    ] = None,
    launch: Annotated[
        str | None,
        typer.Option(help="Start this server: vllm, sglang, llama.cpp or transformers."),
    ] = None,
    launch_command: Annotated[
        str | None,
        typer.Option(help="How the server is called, where its own name does not do."),
    ] = None,
    url: Annotated[
        str | None, typer.Option(help="An OpenAI-compatible server that runs already.")
    ] = None,
    command: Annotated[
        str | None,
        typer.Option(
            help="Tune a command of your own: {argument} stands for a value, and it prints "
            "metrics as JSON."
        ),
    ] = None,
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
            help="What to improve; by default joules_per_request, mean_e2el_ms and, where answers "
            "are graded, accuracy.",
        ),
    ] = None,
    tolerance: Annotated[
        float,
        typer.Option(help="Accuracy that a recommendation may lose against the default."),
    ] = 0.02,
    prompts: Annotated[int, typer.Option(help="How many prompts of the built-in task.")] = 128,
    seconds_per_trial: Annotated[
        float, typer.Option(help="Aim for the measured part of one configuration.")
    ] = 8.0,
    verify_rounds: Annotated[
        int, typer.Option(help="How often each candidate is run again before it is recommended.")
    ] = 5,
    space: Annotated[
        str | None,
        typer.Option(help="A shipped feature model, or the path of a UVL file; the engine's own."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of every random choice.")] = 0,
    allow_gpu_control: Annotated[
        bool,
        typer.Option(
            "--allow-gpu-control", help="Tune clocks and power limit of the GPUs; needs root."
        ),
    ] = False,
    trust_remote_code: Annotated[
        bool, typer.Option(help="Let a model's own Python code run.")
    ] = False,
    allow_code: Annotated[
        bool,
        typer.Option("--allow-code", help="Let graders run generated code, or functions of yours."),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result alone, as one JSON object.")
    ] = False,
) -> None:
    """Tune a language model on this machine and recommend verified configurations."""
    models = tuple(model or (() if command or url else ["builtin"]))
    if task is None and workload is None and command is None:
        task = "builtin"
    if task == "builtin" and not all(name.split(":")[0] == "builtin" for name in models):
        raise UserError(
            "--task is missing: the built-in problems are for the built-in models; give a JSONL "
            'file with lines like {"prompt": "2+2=", "answer": "4", "grader": "exact"}.'
        )
    folder = out or Path("runs") / time.strftime("%Y-%m-%d-%H%M%S")
    if max_trials is not None and max_trials < 1:
        raise UserError(f"--max-trials {max_trials}: nothing can be measured; give at least 1.")
    spec = _spec(
        models=models,
        task=task,
        n_prompts=prompts,
        workload=workload,
        n_requests=requests,
        scale=scale,
        rate=_rate(rate),
        launch=launch,
        launch_command=launch_command,
        url=url,
        command=command,
        space=space,
        levels=tuple(slo or ()),
        gpu_control=allow_gpu_control,
        objectives=tuple(objective) if objective else None,
        seed=seed,
        max_trials=max_trials,
        max_seconds=None if max_time is None else parse_duration(max_time),
        accuracy_tolerance=tolerance,
        seconds_per_trial=seconds_per_trial,
        verify_rounds=verify_rounds,
        trust_remote_code=trust_remote_code,
        allow_code=allow_code,
    )
    if pins:
        from tuner.run.setting import parsed_pins

        spec = spec.model_copy(update={"pins": parsed_pins(spec, pins)})
    result = _watch(spec, folder, as_json)
    _show(result, folder, as_json)


def _rate(text: str | None) -> float | str | None:
    if text is None or text == "closed":
        return text
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not rate > 0:
        raise UserError(f"--rate {text}: write requests a second, as in 2.5, or closed.")
    return rate


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
