"""The time that a study may take: one object that search and verification ask."""

from __future__ import annotations

import time
from collections.abc import Callable

FINISHING_SHARE, FINISHING_S = 0.03, 6.0
"""What is kept of a limit for writing the result: this share, but no more than so many seconds."""
FINISHING_STARTS = 0.7
"""On a machine that is slow or busy it is more: so many times what the start has taken."""
MOST_FINISHING_SHARE = 0.1
"""And never more than this share."""


class TimeBudget:
    """A time limit, what of it is spent, and what is kept for verification.

    Args:
        limit_s: seconds in all, earlier sessions of the study included; None for no limit.
        spent_s: seconds spent in earlier sessions.
        began: when the program was started, by the clock; None for now.
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
        self._finishing_s = 0.0
        if limit_s is not None:
            usual_s = min(FINISHING_S, FINISHING_SHARE * limit_s)
            slow_s = FINISHING_STARTS * (clock() - self._began)
            self._finishing_s = min(MOST_FINISHING_SHARE * limit_s, max(usual_s, slow_s))

    @property
    def elapsed_s(self) -> float:
        """Seconds spent, earlier sessions of the study included."""
        return self._spent_s + self._clock() - self._began

    @property
    def left_s(self) -> float | None:
        """Seconds left to measure in, negative beyond them; None without a limit."""
        if self.limit_s is None:
            return None
        return self.limit_s - self._finishing_s - self.elapsed_s

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
