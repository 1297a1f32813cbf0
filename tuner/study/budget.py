"""The time that a study may take: one object that search and verification ask."""

from __future__ import annotations

import time
from collections.abc import Callable


class TimeBudget:
    """A time limit, what of it is spent, and what is kept for verification.

    Args:
        limit_s: seconds in all, earlier sessions of the study included; None for no limit.
        spent_s: seconds spent in earlier sessions.
        clock: a monotonic clock, in seconds.
    """

    def __init__(
        self,
        limit_s: float | None,
        *,
        spent_s: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limit_s = limit_s
        self._spent_s = spent_s
        self._clock = clock
        self._began = clock()
        self._reserved_s = 0.0

    @property
    def elapsed_s(self) -> float:
        """Seconds spent, earlier sessions of the study included."""
        return self._spent_s + self._clock() - self._began

    @property
    def left_s(self) -> float | None:
        """Seconds until the limit, negative beyond it; None without one."""
        return None if self.limit_s is None else self.limit_s - self.elapsed_s

    @property
    def search_limit_s(self) -> float | None:
        """The limit less what is kept for verification; None without a limit."""
        return None if self.limit_s is None else self.limit_s - self._reserved_s

    @property
    def search_left_s(self) -> float | None:
        """Seconds that the search still has; None without a limit."""
        limit_s = self.search_limit_s
        return None if limit_s is None else limit_s - self.elapsed_s

    def reserve_for_verification(self, seconds: float, *, largest_share: float) -> None:
        """Keep so many seconds from the search, at most a share of the limit."""
        if self.limit_s is not None:
            seconds = min(seconds, largest_share * self.limit_s)
        self._reserved_s = seconds
