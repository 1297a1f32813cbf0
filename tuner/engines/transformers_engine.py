"""Hugging Face transformers, running in a child process."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.engines.child import Child, Limits
from tuner.errors import UserError
from tuner.measure.engine import Completion, EngineFailure
from tuner.workloads import Request

if TYPE_CHECKING:
    from tuner.space.contract import Arguments

__all__ = ["Limits", "TransformersEngine", "check_model"]

_CHILD = "tuner.engines.transformers_child"
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_ENVIRONMENT = {
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TORCHINDUCTOR_COMPILE_THREADS": "1",  # compiles in the child itself, not in a pool of its own
}
_OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}


class TransformersEngine:
    """Runs any causal language model of transformers on the CPU, one GPU or several.

    Loaded models stay in the child while memory allows, so that going back to one costs nothing.
    Nothing is fetched unless a model is named by its id on the hub.

    Args:
        chat_template: whether prompts are wrapped in the tokenizer's chat template; None does so
            where it has one.
        trust_remote_code: whether code that comes with a model may run.
        device: `cpu`, `cuda`, or `auto` for a GPU where there is one.
        limits: of the child process.

    """

    def __init__(
        self,
        *,
        chat_template: bool | None = None,
        trust_remote_code: bool = False,
        device: str = "auto",
        limits: Limits | None = None,
    ) -> None:
        self._options = {
            "chat_template": chat_template,
            "trust_remote_code": trust_remote_code,
            "device": device,
        }
        self._limits = limits or Limits()
        self._child: Child | None = None
        self._online = False
        self._settings: dict[str, Any] = {}
        self._peak_memory_bytes: int | None = None

    @property
    def settings(self) -> Mapping[str, Any]:
        """What is in force: versions, device, dtype, generation settings, the engine's warnings."""
        return dict(self._settings)

    @property
    def device(self) -> str:
        """`cpu` or `cuda`; what was asked for while nothing is loaded yet."""
        return str(self._settings.get("device", self._options["device"]))

    @property
    def pids(self) -> tuple[int, ...]:
        """The child process, where one runs."""
        return (self._child.pid,) if self._child and self._child.alive else ()

    @property
    def peak_memory_bytes(self) -> int | None:
        """The child's largest memory during the last run: of the GPU where it uses one."""
        return self._peak_memory_bytes

    def apply(self, arguments: Arguments) -> Mapping[str, Any]:
        """Load what the arguments need, set what they set, and tell what is in force."""
        models = [
            str(models[name])
            for models, name in (
                (arguments.load, "model"),
                (arguments.request, "assistant_model"),
            )
            if name in models
        ]
        online = False
        for model in models:
            check_model(model)
            online |= _is_hub_id(model)
        self._settings = {}
        self._settings = self._running_child(online).call(
            {
                "op": "apply",
                "load": dict(arguments.load),
                "request": dict(arguments.request),
                "harness": dict(arguments.harness),
            },
            limit_s=self._limits.load_s,
            silence_s=self._limits.load_s,
        )
        return self.settings

    def run(
        self, requests: Sequence[Request], *, seed: int, seconds: float | None = None
    ) -> list[Completion]:
        """Answer requests in batches, whenever they arrive; none begins after `seconds`."""
        if self._child is None or not self._settings:
            raise EngineFailure("crash", "the engine is not running: apply a configuration first")
        reply = self._child.call(
            {
                "op": "run",
                "requests": [asdict(request) for request in requests],
                "seed": seed,
                "seconds": seconds,
            },
            limit_s=self._limits.run_s,
            silence_s=self._limits.silence_s,
        )
        self._settings["warnings"] = reply["warnings"]
        self._peak_memory_bytes = reply["peak_memory_bytes"]
        return [Completion(**completion) for completion in reply["completions"]]

    def close(self) -> None:
        """End the child process."""
        if self._child is not None:
            self._child.close()
        self._child = None
        self._settings = {}

    def __enter__(self) -> TransformersEngine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _running_child(self, online: bool) -> Child:
        if self._child is not None and (not self._child.alive or (online and not self._online)):
            self.close()
        if self._child is None:
            environment = _ENVIRONMENT if online else {**_ENVIRONMENT, **_OFFLINE}
            self._child = Child(_CHILD, environment)
            self._online = online
            self._child.call(
                {
                    "op": "start",
                    "memory_bytes": self._limits.memory_bytes,
                    "options": self._options,
                },
                limit_s=self._limits.load_s,
                silence_s=self._limits.load_s,
            )
        return self._child


def check_model(name: str) -> None:
    """Check that a model's name is that of a built-in one, a folder of weights, or a hub id.

    Raises:
        UserError: it is none of them.
    """
    if name.startswith("builtin:"):
        from tuner.models import model_path

        model_path(name)
        return
    folder = Path(os.path.expanduser(name))
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise UserError(
                f"{name} holds no config.json; name a folder written by `save_pretrained`"
            )
    elif not _is_hub_id(name):
        raise UserError(
            f"there is no model folder {name}; give a folder, a hub id such as "
            "`HuggingFaceTB/SmolLM2-135M`, or `builtin:small`, `builtin:base` or `builtin:large`"
        )


def _is_hub_id(name: str) -> bool:
    return not os.path.isdir(os.path.expanduser(name)) and bool(_HUB_ID.fullmatch(name))
