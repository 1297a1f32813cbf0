"""A time limit for questions that can take longer than anybody waits."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from tuner.features._errors import ModelError

_limit: ContextVar[tuple[float, float] | None] = ContextVar("limit", default=None)
"""When the time is up by the clock of this process, and the seconds that were allowed."""


@contextmanager
def deadline(seconds: float | None) -> Iterator[None]:
    """Give up with a `ModelError` where what is asked inside takes longer than this.

    Where limits are nested the one that ends first holds. None sets none.
    """
    before = _limit.get()
    if seconds is None:
        yield
        return
    until = time.monotonic() + seconds
    token = _limit.set((until, seconds) if before is None or until < before[0] else before)
    try:
        yield
    finally:
        _limit.reset(token)


def remaining() -> float | None:
    """Seconds that are left, None where there is no limit."""
    limit = _limit.get()
    return None if limit is None else limit[0] - time.monotonic()


def check_deadline(question: str = "answer this", advice: str = "") -> None:
    """Go on where there is time left; else a `ModelError` with this question and this advice."""
    limit = _limit.get()
    if limit is not None and time.monotonic() > limit[0]:
        raise ModelError(
            f"the model is too large or too entangled to {question} within {limit[1]:g} s{advice}"
        )
