"""An engine together with the clocks and the power limit of its GPUs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tuner.measure import Completion, Engine

if TYPE_CHECKING:
    from tuner.hardware import GpuControl
    from tuner.space import Arguments
    from tuner.workloads import Request


class ControlledEngine:
    """Sets the GPUs to what a configuration says before the engine takes the rest of it.

    Args:
        engine: what runs the requests.
        gpus: control over the GPUs; whoever took it gives it back.

    """

    def __init__(self, engine: Engine, gpus: GpuControl) -> None:
        self._engine = engine
        self._gpus = gpus
        self._in_force: Mapping[str, float] = {}

    @property
    def settings(self) -> Mapping[str, Any]:
        """The engine's, and what the GPUs are set to."""
        return {**self._engine.settings, **self._in_force}

    @property
    def device(self) -> str:
        """The engine's."""
        return self._engine.device

    @property
    def pids(self) -> tuple[int, ...]:
        """The engine's."""
        return self._engine.pids

    @property
    def peak_memory_bytes(self) -> int | None:
        """The engine's."""
        return self._engine.peak_memory_bytes

    def apply(self, arguments: Arguments) -> Mapping[str, Any]:
        """Set the GPUs, then the engine. Raises `EngineFailure`, also for what a GPU refuses."""
        self._in_force = self._gpus.apply(arguments.hardware)
        self._engine.apply(arguments)
        return self.settings

    def run(
        self, requests: Sequence[Request], *, seed: int, seconds: float | None = None
    ) -> list[Completion]:
        """As the engine does."""
        return self._engine.run(requests, seed=seed, seconds=seconds)

    def close(self) -> None:
        """End the engine; the GPUs are left to whoever took control of them."""
        self._engine.close()
