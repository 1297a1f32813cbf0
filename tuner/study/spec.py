"""The specification of a study: everything that decides what it will measure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tuner.errors import UserError

DEFAULT_OBJECTIVES = ("joules_per_request:min", "mean_e2el_ms:min", "accuracy:max")
_MAY_CHANGE = {"max_trials", "max_seconds", "verify_rounds", "accuracy_tolerance"}


class StudySpec(BaseModel):
    """What to tune, on what, for how long.

    Attributes:
        models: model names: `builtin:small`, a folder, or a hub id; several are a choice.
        task: `builtin`, or the path of a JSONL file of prompts with reference answers.
        n_prompts: how many prompts of the built-in task.
        space: name of a shipped feature model, or the path of one.
        pins: features that are fixed, by name.
        objectives: `metric:min` or `metric:max`.
        seed: of every random choice.
        max_trials: at most so many configurations are measured; None for no limit.
        max_seconds: at most so long, verification included; None for no limit.
        accuracy_tolerance: how much of the default's accuracy may be lost by a recommendation
            that promises to keep it, in absolute terms (0.02 is two percentage points).
        verify_rounds: how often each candidate is run again before it is recommended.
        seconds_per_trial: aim for the measured part of one configuration.
        trust_remote_code: whether a model's own Python code may run.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    models: tuple[str, ...] = Field(min_length=1)
    task: str
    n_prompts: int = Field(default=128, ge=1)
    space: str = "transformers"
    pins: dict[str, bool | int | float | str] = Field(default_factory=dict)
    objectives: tuple[str, ...] = DEFAULT_OBJECTIVES
    seed: int = 0
    max_trials: int | None = Field(default=None, ge=1)
    max_seconds: float | None = Field(default=None, gt=0)
    accuracy_tolerance: float = Field(default=0.02, ge=0, le=1)
    verify_rounds: int = Field(default=5, ge=2)
    seconds_per_trial: float = Field(default=8.0, gt=0)
    trust_remote_code: bool = False

    @classmethod
    def of(cls, **fields: Any) -> StudySpec:
        """Make one from loose fields; UserError names the field that is wrong and why."""
        try:
            return cls(**fields)
        except ValidationError as error:
            first = error.errors()[0]
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
                "same options to go on, another --out for a new study, or --fresh to discard it."
            )


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
