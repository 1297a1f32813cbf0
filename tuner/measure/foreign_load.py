"""How much of the machine's processors other programs took during a window.

Of all processor time that `/proc/stat` counts, what is neither idle nor that of the tuner, its
children and the engine belongs to others. What a hypervisor stole is among it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tuner.measure.meters import cpu_seconds

_STAT = Path("/proc/stat")
_IDLE = (3, 4)  # idle and waiting for a disk, in the order of proc_stat(5)
_COUNTED = 8  # what follows, time of guests, is in user and nice already


@dataclass(frozen=True)
class ProcessorTimes:
    """Processor seconds since the machine started, over all processors.

    Attributes:
        busy_s: of every program, and what a hypervisor stole.
        all_s: idle time with it.
        own_s: of the tuner, its children and the engine.
    """

    busy_s: float
    all_s: float
    own_s: float

    @classmethod
    def now(cls, pids: Sequence[int]) -> ProcessorTimes | None:
        """Read them; None on a system that does not tell. `pids` are the engine's processes."""
        try:
            fields = _STAT.read_text().split("\n", 1)[0].split()[1 : 1 + _COUNTED]
            ticks = [int(field) for field in fields]
        except (OSError, ValueError):
            return None
        if len(ticks) <= max(_IDLE):
            return None
        second = os.sysconf("SC_CLK_TCK")
        idle = sum(ticks[i] for i in _IDLE)
        own_s = cpu_seconds((os.getpid(), *pids))
        return cls((sum(ticks) - idle) / second, sum(ticks) / second, own_s)


def foreign_share(before: ProcessorTimes | None, after: ProcessorTimes | None) -> float | None:
    """The share of the machine's processor time that others took between two readings.

    None where it is not known, or the readings lie too close for the ticks of the kernel.
    """
    if before is None or after is None or after.all_s <= before.all_s:
        return None
    foreign_s = (after.busy_s - before.busy_s) - (after.own_s - before.own_s)
    return min(1.0, max(0.0, foreign_s / (after.all_s - before.all_s)))
