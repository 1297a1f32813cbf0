"""The time that a study may take: one object that search and verification ask."""

from __future__ import annotations

import time
from collections.abc import Callable

FINISHING_SHARE = 0.03
LONGEST_FINISHING_S = 6.0
"""What is kept of a limit, up to so many seconds, for writing the result."""


class TimeBudget:
    """A time limit, what of it is spent, and what is kept for verification.

    Args:
        limit_s: seconds in all, earlier sessions of the study included; None for no limit.
        spent_s: seconds spent in earlier sessions.
        began: when this session began, by the clock; None for now.
        clock: a monotonic clock, in seconds.
    """

    def __init__(
        self,
        limit_s: float | None,
        *,
        spent_s: float = 0.0,
        began: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limit_s = limit_s
        self._spent_s = spent_s
        self._clock = clock
        self._began = clock() if began is None else began
        self._reserved_s = 0.0

    @property
    def elapsed_s(self) -> float:
        """Seconds spent, earlier sessions of the study included."""
        return self._spent_s + self._clock() - self._began

    @property
    def left_s(self) -> float | None:
        """Seconds left to measure in, negative beyond them; None without a limit."""
        if self.limit_s is None:
            return None
        finishing_s = min(LONGEST_FINISHING_S, FINISHING_SHARE * self.limit_s)
        return self.limit_s - finishing_s - self.elapsed_s

    @property
    def reserved_s(self) -> float:
        """Seconds that are kept for verification."""
        return self._reserved_s

    @property
    def search_limit_s(self) -> float | None:
        """How many seconds of the study the search may take; None without a limit."""
        left_s = self.search_left_s
        return None if left_s is None else self.elapsed_s + left_s

    @property
    def search_left_s(self) -> float | None:
        """Seconds that the search still has; None without a limit."""
        return None if self.left_s is None else self.left_s - self._reserved_s

    def time_to_search(self) -> bool:
        """Whether the search has time left: `keep_going` of a trial."""
        return self.search_left_s is None or self.search_left_s > 0

    def time_to_measure(self) -> bool:
        """Whether there is time left at all: `keep_going` of the verification."""
        return self.left_s is None or self.left_s > 0

    def reserve_for_verification(self, seconds: float, *, largest_share: float) -> None:
        """Keep so many seconds from the search, at most a share of the limit."""
        if self.limit_s is not None:
            seconds = min(seconds, largest_share * self.limit_s)
        self._reserved_s = seconds
