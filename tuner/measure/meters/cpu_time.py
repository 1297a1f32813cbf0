"""CPU time of a process tree, and the energy estimated from it where nothing can be metered."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence

import psutil

from tuner.measure.meters.meter import Reading

WATTS_PER_CORE = 4.0
"""Power of one busy hardware thread: what CodeCarbon assumes of a CPU that it does not know."""


def cpu_seconds(pids: Sequence[int]) -> float:
    """CPU time so far of the processes and their descendants, in seconds.

    Read from each process's own clock in nanoseconds (clock_gettime(2) with the clock of another
    process), since the ticks of /proc/PID/stat are 10 ms. A process that has ended counts from
    when its parent has waited for it, in ticks.
    """
    total = 0.0
    for process in process_tree(pids):
        with contextlib.suppress(psutil.Error, OSError):
            times = process.cpu_times()
            waited_for = float(times.children_user + times.children_system)
            total += time.clock_gettime(_clock_of(process.pid)) + waited_for
    return total


class CpuTimeMeter:
    """Estimates energy as CPU seconds of a process tree times a power for a busy core.

    It is a model: it knows nothing of memory, clock frequencies or the kind of instructions. Its
    ratios between configurations say how much processor they keep busy.

    Args:
        pids: gives the processes at the start and the end of a window.
        watts_per_core: power of a busy core.

    """

    source = "estimated"

    def __init__(
        self, pids: Callable[[], Sequence[int]], watts_per_core: float = WATTS_PER_CORE
    ) -> None:
        self.scope = "process tree"
        self._pids = pids
        self._watts = watts_per_core
        self.parameters: Mapping[str, float] = {"watts_per_core": watts_per_core}
        self._began = 0.0
        self._cpu_at_start = 0.0

    def start(self) -> None:
        """Note the CPU time so far."""
        self._cpu_at_start = cpu_seconds(self._pids())
        self._began = time.perf_counter()

    def stop(self) -> Reading:
        """Estimate from the CPU time since the start."""
        seconds = time.perf_counter() - self._began
        used = cpu_seconds(self._pids()) - self._cpu_at_start
        joules = self._watts * used if used > 0 else None
        problems = () if joules else ("the processes used no CPU time that could be seen",)
        return Reading(seconds, joules, 0.0, problems)

    def power_limits(self) -> tuple[float, float] | None:
        """Between nothing and all cores busy."""
        return 0.0, self._watts * (psutil.cpu_count() or 1) * 1.02

    def close(self) -> None:
        """Nothing to release."""


def process_tree(pids: Sequence[int]) -> list[psutil.Process]:
    """Processes and their descendants, as far as they still run."""
    found: dict[int, psutil.Process] = {}
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(pid)
            for member in (process, *process.children(recursive=True)):
                found[member.pid] = member
    return list(found.values())


def _clock_of(pid: int) -> int:
    """The id of a process's CPU-time clock, as clock_getcpuclockid(3) makes it on Linux."""
    return (~pid << 3) | 2
