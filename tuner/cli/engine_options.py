"""The options that say what is tuned and what it is asked: those of every command that measures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from tuner.errors import UserError

if TYPE_CHECKING:
    from tuner.study import StudySpec


KEYWORD = Parameter.KEYWORD_ONLY


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """What is tuned and what it is asked, as the command line says it."""

    model: Annotated[
        list[str] | None,
        typer.Option(help="builtin, a folder, or a hub id; several make it a choice."),
    ] = None
    task: Annotated[
        str | None,
        typer.Option(
            help="builtin, or a JSONL file of prompts with reference answers; builtin where "
            "neither this nor --workload is given."
        ),
    ] = None
    prompts: Annotated[int, typer.Option(help="How many prompts of the built-in task.")] = 128
    workload: Annotated[
        str | None,
        typer.Option(
            help="What is asked: a trace of token lengths (.csv), prompts (.jsonl), or a "
            "distribution (see tune workload show).",
        ),
    ] = None
    requests: Annotated[
        int | None, typer.Option("-n", "--requests", help="How many requests of the workload.")
    ] = None
    scale: Annotated[
        float, typer.Option(help="What the workload's token lengths are divided by.")
    ] = 1.0
    rate: Annotated[
        str | None,
        typer.Option(help="Poisson arrivals a second, or closed; the workload's own by default."),
    ] = None
    launch: Annotated[
        str | None,
        typer.Option(help="Start this server: vllm, sglang, llama.cpp or transformers."),
    ] = None
    launch_command: Annotated[
        str | None,
        typer.Option(help="How the server is called, where its own name does not do."),
    ] = None
    url: Annotated[
        str | None, typer.Option(help="An OpenAI-compatible server that runs already.")
    ] = None
    command: Annotated[
        str | None,
        typer.Option(
            help="Tune a command of your own: {argument} stands for a value, and it prints "
            "metrics as JSON."
        ),
    ] = None
    space: Annotated[
        str | None,
        typer.Option(help="A shipped feature model, or the path of a UVL file; the engine's own."),
    ] = None
    pins: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FEATURE=VALUE", help="Fix a feature of the space."),
    ] = None
    seconds_per_trial: Annotated[
        float, typer.Option(help="Aim for the measured part of one configuration.")
    ] = 8.0
    allow_gpu_control: Annotated[
        bool,
        typer.Option(
            "--allow-gpu-control", help="Tune clocks and power limit of the GPUs; needs root."
        ),
    ] = False
    trust_remote_code: Annotated[
        bool,
        typer.Option("--trust-remote-code", help="Let a model's own Python code run."),
    ] = False
    allow_code: Annotated[
        bool,
        typer.Option("--allow-code", help="Let graders run generated code, or functions of yours."),
    ] = False

    @property
    def given(self) -> list[str]:
        """The options that were given, as they are written."""
        own = {"pins": "--set"}
        return [
            own.get(field.name, f"--{field.name.replace('_', '-')}")
            for field in fields(self)
            if (getattr(self, field.name) or field.default) != field.default
        ]

    def spec(self, **more: Any) -> StudySpec:
        """The specification of a study on this; `more` are fields of `StudySpec`.

        Raises:
            UserError: for options that contradict one another or name nothing.
        """
        from tuner.study import StudySpec

        models = tuple(self.model or (() if self.command or self.url else ["builtin"]))
        spec = StudySpec.of(
            models=models,
            task=self._task(models),
            n_prompts=self.prompts,
            workload=self.workload,
            n_requests=self.requests,
            scale=self.scale,
            rate=_rate(self.rate),
            launch=self.launch,
            launch_command=self.launch_command,
            url=self.url,
            command=self.command,
            space=self.space,
            gpu_control=self.allow_gpu_control,
            seconds_per_trial=self.seconds_per_trial,
            trust_remote_code=self.trust_remote_code,
            allow_code=self.allow_code,
            **more,
        )
        if not self.pins:
            return spec
        from tuner.run.resolved_space import parsed_pins

        return spec.model_copy(update={"pins": parsed_pins(spec, self.pins)})

    def _task(self, models: tuple[str, ...]) -> str | None:
        asked = (self.task, self.workload, self.command)
        task = "builtin" if all(text is None for text in asked) else self.task
        if task == "builtin" and not all(name.split(":")[0] == "builtin" for name in models):
            raise UserError(
                "--task is missing: the built-in problems are for the built-in models; give a "
                'JSONL file with lines like {"prompt": "2+2=", "answer": "4", "grader": "exact"}.'
            )
        return task


def with_engine(command: Callable[..., None]) -> Callable[..., None]:
    """A command that takes every one of `EngineOptions` where the given one takes `engine`."""
    hints = get_type_hints(command, include_extras=True)
    types = get_type_hints(EngineOptions, include_extras=True)
    shared = [
        Parameter(field.name, KEYWORD, default=field.default, annotation=types[field.name])
        for field in fields(EngineOptions)
    ]
    parameters: list[Parameter] = []
    for name, one in signature(command).parameters.items():
        own = one.replace(kind=KEYWORD, annotation=hints[name])
        parameters += shared if name == "engine" else [own]

    @wraps(command)
    def spread(**given: Any) -> None:
        engine = EngineOptions(**{one.name: given.pop(one.name) for one in shared})
        command(engine=engine, **given)

    del spread.__wrapped__
    spread.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    spread.__annotations__ = {p.name: p.annotation for p in parameters}
    return spread


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
