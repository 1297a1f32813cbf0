"""An engine together with the clocks and the power limit of its GPUs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from tuner.measure import Completion, Engine, InForce, KeepGoing

if TYPE_CHECKING:
    from tuner.hardware import GpuControl
    from tuner.space import Arguments
    from tuner.workloads import Request


class GpuControlledEngine:
    """Sets the GPUs to what a configuration says before the engine takes the rest of it.

    Args:
        engine: what runs the requests.
        gpus: control over the GPUs; whoever took it gives it back.

    """

    def __init__(self, engine: Engine, gpus: GpuControl) -> None:
        self._engine = engine
        self._gpus = gpus
        self._gpu_settings: Mapping[str, float] = {}

    @property
    def in_force(self) -> InForce:
        """The engine's, and what the GPUs are set to."""
        in_force = self._engine.in_force
        return replace(in_force, arguments={**in_force.arguments, **self._gpu_settings})

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

    def apply(self, arguments: Arguments, *, keep_going: KeepGoing | None = None) -> InForce:
        """Set the GPUs, then the engine. Raises `EngineFailure`, also for what a GPU refuses."""
        self._gpu_settings = self._gpus.apply(arguments.hardware)
        self._engine.apply(arguments, keep_going=keep_going)
        return self.in_force

    def run(
        self,
        requests: Sequence[Request],
        *,
        seed: int,
        seconds: float | None = None,
        keep_going: KeepGoing | None = None,
    ) -> list[Completion]:
        """As the engine does."""
        return self._engine.run(requests, seed=seed, seconds=seconds, keep_going=keep_going)

    def close(self) -> None:
        """End the engine; the GPUs are left to whoever took control of them."""
        self._engine.close()
