"""The program in the child process of `TransformersEngine`."""

from __future__ import annotations

import errno
import gc
import sys
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import psutil
import torch
import transformers
from transformers.utils import logging as transformers_logging

from tuner.engines.transformers_generation import answer, effective_config, set_assistant
from tuner.engines.transformers_models import LoadedModel, load_model
from tuner.engines.transformers_watch import PeakMemory, WarningLog
from tuner.engines.worker_side import Channel, WrongOutputError, limit_memory
from tuner.measure.in_force import InForce
from tuner.measure.measurement import Cause
from tuner.workloads import Request

_MEMORY_SHARE = 0.25
"""Of the memory that may still be used: how much the models kept for later may take."""

_REFUSALS = (ValueError, TypeError, ImportError, NotImplementedError, OSError)


class Runner:
    """Holds the loaded models and the configuration in force."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._models: OrderedDict[str, LoadedModel] = OrderedDict()
        self._warnings = WarningLog()
        self._threads = torch.get_num_threads()
        self._options: dict[str, Any] = {}
        self._kept_bytes = 0
        self._current: LoadedModel | None = None
        self._assistant: LoadedModel | None = None
        self._batch_size = 1

    def start(self, memory_bytes: int | None, options: Mapping[str, Any]) -> None:
        """Take the limits and options that hold for the life of this process."""
        device = options["device"]
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        free = psutil.virtual_memory().available
        if device == "cuda":
            self._kept_bytes = int(_MEMORY_SHARE * torch.cuda.mem_get_info()[0])
        else:
            memory_bytes = memory_bytes or free
            used = psutil.Process().memory_info().data
            self._kept_bytes = int(_MEMORY_SHARE * max(0, memory_bytes - used))
        limit_memory(memory_bytes)
        self._options = {**options, "device": device}

    def apply(
        self, load: Mapping[str, Any], request: Mapping[str, Any], harness: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Load, set, and return what is in force."""
        transformers_logging.warning_once.cache_clear()
        self._warnings.clear()
        self._current = self._assistant = None
        unknown = set(harness) - {"batch_size", "threads"}
        if unknown:
            raise ValueError(f"unknown harness arguments: {', '.join(sorted(unknown))}")
        self._batch_size = int(harness.get("batch_size", 1))
        if self._batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, not {self._batch_size}")
        torch.set_num_threads(int(harness.get("threads", self._threads)))
        request = dict(request)
        assistant = request.pop("assistant_model", None)
        self._current = self._model(load)
        config = effective_config(self._current, request)
        if assistant is not None:
            self._assistant = self._model({**load, "model": assistant})
            set_assistant(self._assistant, request)
        self._current.model.generation_config = config
        return InForce(
            engine="transformers",
            version=transformers.__version__,
            libraries={"torch": torch.__version__, "python": sys.version.split()[0]},
            device=self._options["device"],
            gpus=self._current.gpus(),
            model_asked=self._current.name,
            model_loaded=self._current.location,
            arguments={
                "dtype": self._current.dtype,
                "attn_implementation": self._current.attn_implementation,
                "threads": torch.get_num_threads(),
                "batch_size": self._batch_size,
            },
            request={
                **config.to_diff_dict(),
                **({"assistant_model": assistant} if assistant else {}),
            },
            warnings=tuple(self._warnings.messages),
            details={
                "parameters": self._current.model.num_parameters(),
                "load_s": round(self._current.load_s, 3),
            },
        ).to_dict()

    def run(
        self, requests: list[dict[str, Any]], seed: int, seconds: float | None
    ) -> dict[str, Any]:
        """Answer the requests under the configuration in force."""
        if self._current is None:
            raise ValueError("no configuration is in force")
        peak = PeakMemory(self._options["device"])
        transformers.set_seed(seed % 2**32)
        completions = answer(
            self._current,
            self._assistant,
            [Request(**request) for request in requests],
            batch_size=self._batch_size,
            seconds=seconds,
            chat_template=self._options["chat_template"],
            trust_remote_code=self._options["trust_remote_code"],
            beat=self._channel.beat,
        )
        if completions and not any(completion["n_output_tokens"] for completion in completions):
            raise WrongOutputError("not one token was generated")
        others = sum(m.n_bytes for m in self._models.values()) - self._current.n_bytes
        if self._assistant is not None:
            others -= self._assistant.n_bytes
        return {
            "completions": completions,
            "warnings": self._warnings.messages,
            "peak_memory_bytes": peak.read(others),
        }

    def _model(self, load: Mapping[str, Any]) -> LoadedModel:
        """The model loaded with these arguments: one that was kept, or a new one."""
        key = repr(sorted(load.items()))
        if key not in self._models:
            self._make_room()
            self._models[key] = load_model(
                load, self._options["device"], self._options["trust_remote_code"]
            )
        self._models.move_to_end(key)
        return self._models[key]

    def _make_room(self) -> None:
        """Drop the models used longest ago, but not the one in force, until the rest may stay."""
        dropped = False
        for key in [key for key, model in self._models.items() if model is not self._current]:
            if sum(model.n_bytes for model in self._models.values()) <= self._kept_bytes:
                break
            del self._models[key]
            dropped = True
        if dropped:
            gc.collect()
            if self._options["device"] == "cuda":
                torch.cuda.empty_cache()


def classify_failure(error: Exception) -> Cause:
    """Which kind of failure an exception of the engine is.

    It `refused` where it says that it will not take an argument, and `crash`ed where it broke on
    one.
    """
    words = str(error).lower()
    if (
        isinstance(error, MemoryError | torch.OutOfMemoryError)
        or (isinstance(error, OSError) and error.errno == errno.ENOMEM)
        or "out of memory" in words
        or "allocate memory" in words
    ):
        return "out_of_memory"
    if isinstance(error, WrongOutputError) or "probability tensor contains" in words:
        return "wrong_output"
    return "refused" if isinstance(error, _REFUSALS) else "crash"


def main() -> None:
    """Serve the parent at the other end of the socket."""
    channel = Channel(int(sys.argv[1]))
    runner = Runner(channel)
    channel.serve(
        {"start": runner.start, "apply": runner.apply, "run": runner.run}, classify_failure
    )


if __name__ == "__main__":
    main()
