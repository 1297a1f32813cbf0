"""Hugging Face transformers, running in a child process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from tuner.engines.model_source import check_model, is_hub_id
from tuner.engines.worker import Worker, WorkerLimits
from tuner.measure import Completion, EngineFailure, InForce, KeepGoing
from tuner.workloads import Request

if TYPE_CHECKING:
    from tuner.space.contract import Arguments

_WORKER = "tuner.engines.transformers_worker"
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
        limits: WorkerLimits | None = None,
    ) -> None:
        self._options = {
            "chat_template": chat_template,
            "trust_remote_code": trust_remote_code,
            "device": device,
        }
        self._limits = limits or WorkerLimits()
        self._worker: Worker | None = None
        self._online = False
        self._in_force = InForce()
        self._peak_memory_bytes: int | None = None

    @property
    def in_force(self) -> InForce:
        """Versions, device, dtype, generation settings, the engine's warnings."""
        return self._in_force

    @property
    def device(self) -> str:
        """`cpu` or `cuda`; what was asked for while nothing is loaded yet."""
        return self._in_force.device or str(self._options["device"])

    @property
    def pids(self) -> tuple[int, ...]:
        """The child process, where one runs."""
        return (self._worker.pid,) if self._worker and self._worker.alive else ()

    @property
    def peak_memory_bytes(self) -> int | None:
        """The child's largest memory during the last run: of the GPU where it uses one."""
        return self._peak_memory_bytes

    def apply(self, arguments: Arguments, *, keep_going: KeepGoing | None = None) -> InForce:
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
            online |= is_hub_id(model)
        self._in_force = InForce()
        reply = self._running_worker(online, keep_going).call(
            {
                "op": "apply",
                "load": dict(arguments.load),
                "request": dict(arguments.request),
                "harness": dict(arguments.harness),
            },
            limit_s=self._limits.load_s,
            silence_s=self._limits.load_s,
            keep_going=keep_going,
        )
        self._in_force = InForce.from_dict(reply)
        return self._in_force

    def run(
        self,
        requests: Sequence[Request],
        *,
        seed: int,
        seconds: float | None = None,
        keep_going: KeepGoing | None = None,
    ) -> list[Completion]:
        """Answer requests in batches, whenever they arrive; none begins after `seconds`."""
        if self._worker is None or not self._in_force.engine:
            raise EngineFailure("crash", "the engine is not running: apply a configuration first")
        reply = self._worker.call(
            {
                "op": "run",
                "requests": [asdict(request) for request in requests],
                "seed": seed,
                "seconds": seconds,
            },
            limit_s=self._limits.run_s,
            silence_s=self._limits.silence_s,
            keep_going=keep_going,
            can_stop=True,
        )
        self._in_force = replace(self._in_force, warnings=tuple(reply["warnings"]))
        self._peak_memory_bytes = reply["peak_memory_bytes"]
        return [Completion(**completion) for completion in reply["completions"]]

    def close(self) -> None:
        """End the child process."""
        if self._worker is not None:
            self._worker.close()
        self._worker = None
        self._in_force = InForce()

    def __enter__(self) -> TransformersEngine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _running_worker(self, online: bool, keep_going: KeepGoing | None) -> Worker:
        if self._worker is not None and (not self._worker.alive or (online and not self._online)):
            self.close()
        if self._worker is None:
            environment = _ENVIRONMENT if online else {**_ENVIRONMENT, **_OFFLINE}
            self._worker = Worker(_WORKER, environment)
            self._online = online
            self._worker.call(
                {
                    "op": "start",
                    "memory_bytes": self._limits.memory_bytes,
                    "options": self._options,
                },
                limit_s=self._limits.load_s,
                silence_s=self._limits.load_s,
                keep_going=keep_going,
            )
        return self._worker
