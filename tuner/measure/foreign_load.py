"""How much of the machine's processors other programs took, and what that may have held up.

Of all processor time that `/proc/stat` counts, what is neither idle nor that of the tuner, its
children and the engine belongs to others. What a hypervisor stole is among it.

Where processors were idle all the same, others worked beside the engine. Where none was, they took
its place: and an engine whose threads wait for one another stands still as soon as one of them has
to wait. A busy loop on one of two processors slows a model on two threads by far more than half:
small models were seen to take 35 times as long.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tuner.measure.meters import cpu_seconds

_STAT = Path("/proc/stat")
_IDLE = (3, 4)  # idle and waiting for a disk, in the order of proc_stat(5)
SATURATED = 0.9
"""From this share of busy time on, somebody may have waited for a processor."""
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


@dataclass(frozen=True)
class ForeignLoad:
    """What other programs did to a window.

    Attributes:
        share: of the machine's processor time, what others took.
        held_up: at most this share of the window's length was lost to them. Where the processors
            had no time left that is all that they took, as if one processor after the other.
    """

    share: float
    held_up: float

    @classmethod
    def between(
        cls,
        before: ProcessorTimes | None,
        after: ProcessorTimes | None,
        processors: int | None = None,
    ) -> ForeignLoad | None:
        """What happened between two readings.

        None where it is not known, or the readings lie too close for the ticks of the kernel.
        """
        if before is None or after is None or after.all_s <= before.all_s:
            return None
        all_s, busy_s = after.all_s - before.all_s, after.busy_s - before.busy_s
        share = min(1.0, max(0.0, (busy_s - (after.own_s - before.own_s)) / all_s))
        if busy_s < SATURATED * all_s:
            return cls(share, share)
        return cls(share, min(1.0, share * (processors or os.cpu_count() or 1)))
