"""What the last words of a program say about its end."""

from __future__ import annotations

import re

from tuner.engines.child import shorten
from tuner.measure.measurement import Cause

_MEMORY = re.compile(
    r"out of memory|OutOfMemoryError|bad_alloc|MemoryError|(can't|cannot|unable to|failed to) "
    r"allocate|not enough memory|no available memory|Free memory on device .* is less than|"
    r"larger than the available KV cache memory|DefaultCPUAllocator",
    re.IGNORECASE,
)
_REFUSAL = re.compile(
    r"ValueError|ValidationError|NotImplementedError|AssertionError|TypeError: .*argument|"
    r"unrecognized arguments|invalid choice|arguments are required|error: argument|"
    r"[Nn]o such option|Invalid value|Usage: |usage: |error while handling argument|"
    r"invalid argument|requires flash_attn|BadParameter"
)
_TELLING = re.compile(r"\b[Ee]rror\b|[A-Za-z.]*(Error|Exception)\b|\bfailed\b|\berror:")
_NOISE = re.compile(r'^\s*(File "|\^+|~+|\||\+-|Traceback |\.\.\. )|\d+%\||^[\s╭╰─╮╯│]*$')
_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_ADDRESS = re.compile(r"address already in use|Errno 98|couldn't bind", re.IGNORECASE)
_LAST_LINES = 6


def cause_of(log: str, status: int | None, *, served: bool) -> Cause:
    """Why a program ended, from its words.

    Args:
        log: what it wrote.
        status: its exit status; argument parsers end with 2.
        served: whether it had started well; then its arguments are not to blame.
    """
    if _MEMORY.search(log):
        return "out_of_memory"
    if not served and (status == 2 or _REFUSAL.search(log)):
        return "refused"
    return "crash"


def means_memory(words: str) -> bool:
    """Whether an error's words say that memory has run out."""
    return bool(_MEMORY.search(words))


def address_in_use(log: str) -> bool:
    """Whether another program has taken the port."""
    return bool(_ADDRESS.search(log))


def last_words(log: str) -> str:
    """The line that tells the cause best, and the last ones; without tracebacks and progress."""
    lines = [line.strip(" │\r\t") for line in _COLOURS.sub("", log).splitlines()]
    lines = [line for line in lines if line and not _NOISE.search(line)]
    if not lines:
        return "it wrote nothing"
    telling = None
    for pattern in (_MEMORY, _REFUSAL, _TELLING):
        found = [line for line in lines if pattern.search(line)]
        if found:
            telling = found[-1]
            break
    tail = lines[-_LAST_LINES:]
    if telling is not None and telling not in tail:
        tail = [telling, "...", *tail]
    return shorten("\n".join(tail))
