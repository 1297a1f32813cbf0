"""The specification of a study: everything that decides what it will measure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tuner.engines.backend import Backend
from tuner.engines.registry import choose_backend
from tuner.errors import UserError
from tuner.search import ACQUISITIONS, Objective, ServiceLevel, parse_levels

UNGRADED_OBJECTIVES = ("joules_per_request:min", "mean_e2el_ms:min")
DEFAULT_OBJECTIVES = (*UNGRADED_OBJECTIVES, "accuracy:max")
DEFAULT_LIMIT = 10.0
"""Nobody is taken to be interested in so many times the default's energy or latency."""
_MAY_CHANGE = {"max_trials", "max_seconds", "verify_rounds", "accuracy_tolerance"}


class StudySpec(BaseModel):
    """What to tune, on what, for how long.

    Attributes:
        models: model names: `builtin:small`, a folder, or a hub id; several are a choice. For a
            server that runs already the name it serves; for a command nothing.
        task: `builtin`, or the path of a JSONL file of prompts with reference answers; None asks
            the workload alone, and nothing is graded.
        n_prompts: how many prompts of the built-in task.
        workload: a token-length trace (.csv), prompts (.jsonl) or a distribution; None asks the
            task.
        n_requests: how many requests of the workload; None for all.
        scale: what the workload's token lengths are divided by.
        rate: Poisson arrivals a second, `closed` for a closed loop, None for the workload's own.
        launch: name of the server to start for each configuration; None for none.
        launch_command: how this server is called, where its own name does not do.
        url: address of a server that runs already.
        command: a command with `{argument}` in it that prints metrics as JSON.
        space: name of a shipped feature model, or the path of one; None takes the engine's.
        pins: features that are fixed, by name.
        limits: what nobody would deploy, such as `mean_e2el_ms<5x` (of the default). Where none is
            given for an objective of energy or latency, it is `DEFAULT_LIMIT` times the default.
        levels: service levels, such as `p99_ttft_ms<500` or `ttft:500 tpot:50`.
        gpu_control: whether clocks and power limit of the GPUs may be changed.
        objectives: `metric:min` or `metric:max`; None takes `DEFAULT_OBJECTIVES`, without accuracy
            where nothing is graded.
        acquisition: what proposes configurations: a key of `ACQUISITIONS`; None takes the default.
        seed: of every random choice.
        max_trials: at most so many configurations are measured; None for no limit.
        max_seconds: at most so long, verification included; None for no limit.
        accuracy_tolerance: how much of the default's accuracy may be lost by a recommendation
            that promises to keep it, in absolute terms (0.02 is two percentage points).
        verify_rounds: in how many blocks each candidate is run again at most before it is
            recommended. With a time limit, what is left of it is used for further ones.
        seconds_per_trial: aim for the measured part of one configuration; in a short study it is
            a share of the time limit.
        trust_remote_code: whether a model's own Python code may run.
        allow_code: whether graders may run generated code and functions of the user's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    models: tuple[str, ...] = ()
    task: str | None = "builtin"
    n_prompts: int = Field(default=128, ge=1)
    workload: str | None = None
    n_requests: int | None = Field(default=None, ge=1)
    scale: float = Field(default=1.0, gt=0)
    rate: float | Literal["closed"] | None = None
    launch: str | None = None
    launch_command: str | None = None
    url: str | None = None
    command: str | None = None
    space: str | None = None
    limits: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()
    gpu_control: bool = False
    pins: dict[str, bool | int | float | str] = Field(default_factory=dict)
    objectives: tuple[str, ...] | None = None
    acquisition: str | None = None
    seed: int = 0
    max_trials: int | None = Field(default=None, ge=1)
    max_seconds: float | None = Field(default=None, gt=0)
    accuracy_tolerance: float = Field(default=0.02, ge=0, le=1)
    verify_rounds: int = Field(default=12, ge=2)
    seconds_per_trial: float = Field(default=8.0, gt=0)
    trust_remote_code: bool = False
    allow_code: bool = False

    @model_validator(mode="after")
    def _one_engine(self) -> StudySpec:
        backend = self.backend
        itself = backend.policy.measures_itself
        if not (self.space or backend.space):
            raise ValueError("a command needs a space: the path of its feature model")
        if itself and self.gpu_control:
            raise ValueError("gpu_control does not go with a command, which sets what it likes")
        if not itself and self.task is None and self.workload is None:
            raise ValueError("there is nothing to ask: name a task or a workload")
        if self.acquisition is not None and self.acquisition not in ACQUISITIONS:
            raise ValueError(f"acquisition takes one of {', '.join(ACQUISITIONS)}")
        return self

    @property
    def backend(self) -> Backend:
        """The engine that is tuned; the one place that looks at `launch`, `url` and `command`."""
        return choose_backend(self)

    @property
    def feature_model(self) -> str:
        """Name or path of the feature model."""
        return self.space or self.backend.space

    @property
    def effective_objectives(self) -> tuple[str, ...]:
        """The objectives asked for, or else the usual ones that what is asked can give."""
        if self.objectives is not None:
            return self.objectives
        graded = self.task is not None
        return DEFAULT_OBJECTIVES if graded else UNGRADED_OBJECTIVES

    @property
    def effective_limits(self) -> tuple[ServiceLevel, ...]:
        """The limits of interest asked for, and the usual ones for what has none."""
        asked = parse_levels(self.limits, option="--limit")
        named = {limit.metric for limit in asked}
        objectives = (Objective.parse(text) for text in self.effective_objectives)
        usual = [
            f"{o.metric}<{DEFAULT_LIMIT:g}x"
            for o in objectives
            if o.kind in ("energy", "latency") and o.direction == "min" and o.metric not in named
        ]
        return (*asked, *parse_levels(usual))

    @classmethod
    def of(cls, **fields: Any) -> StudySpec:
        """Make one from loose fields; UserError names the field that is wrong and why."""
        try:
            return cls(**fields)
        except ValidationError as error:
            first = error.errors()[0]
            if not first["loc"]:  # the validator's own sentence
                raise UserError(f"{first['ctx']['error']}.") from error
            name = ".".join(str(part) for part in first["loc"])
            raise UserError(
                f"{name} = {first['input']!r} cannot be used: {first['msg'].lower()}."
            ) from error

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        path.write_text(self.model_dump_json(indent=2) + "\n")

    @classmethod
    def load(cls, path: Path) -> StudySpec:
        """Read what `save` wrote; UserError where the file is damaged."""
        try:
            return cls.model_validate_json(path.read_text())
        except (ValidationError, OSError, UnicodeDecodeError) as error:
            raise UserError(
                f"{path} does not hold the specification of a study ({_first_line(error)}); "
                "give --out another folder."
            ) from error

    def require_same(self, earlier: StudySpec, folder: Path) -> None:
        """Check that going on with an earlier study is meant: only limits may have changed."""
        mine, theirs = self.model_dump(), earlier.model_dump()
        changed = sorted(k for k in mine if k not in _MAY_CHANGE and mine[k] != theirs[k])
        if changed:
            name = changed[0]
            raise UserError(
                f"{folder} holds a study with {name} = {json.dumps(theirs[name], default=str)}, "
                f"but now {name} = {json.dumps(mine[name], default=str)} is asked for; give the "
                "same options to go on, or another --out to begin anew."
            )


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
