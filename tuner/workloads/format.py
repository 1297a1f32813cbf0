"""Shares, durations and traces in words, for the terminal and for pictures."""

from __future__ import annotations

from tuner.workloads.summary import Summary


def about(summary: Summary) -> str:
    """How many requests, in what time."""
    text = f"{summary.requests:,} request{'s' if summary.requests > 1 else ''}"
    if summary.duration_s is None:
        return f"{text}, closed loop"
    if summary.rate is None:
        return f"{text}, all at once"
    unit, name = clock(summary.duration_s)
    return f"{text} in {summary.duration_s / unit:.3g} {name}, {summary.rate:.3g}/s"


def clock(seconds: float) -> tuple[float, str]:
    """The unit that a duration is read best in: its length in seconds, and its symbol."""
    for unit, name in ((3600.0, "h"), (60.0, "min")):
        if seconds >= unit:
            return unit, name
    return 1.0, "s"


def per_cent(share: float) -> str:
    """A share in per cent as it fits into a cell, without the sign.

    >>> per_cent(0.123), per_cent(0.0123), per_cent(0.0001)
    ('12', '1.2', '<0.1')
    """
    if share < 0.0005:
        return "<0.1"
    value = 100 * share
    return f"{value:.0f}" if value >= 9.95 else f"{value:.1f}"
