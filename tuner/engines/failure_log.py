"""What the last words of a program say about its end."""

from __future__ import annotations

import re

from tuner.engines.worker import shorten
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
_PLACE = re.compile(r'File ".*", line \d+')
_NOISE = re.compile(r"^\s*(\^+|~+|\||\+-|Traceback |\.\.\. )|\d+%\||^[\s╭╰─╮╯│]*$")
_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_ADDRESS = re.compile(r"address already in use|Errno 98|couldn't bind", re.IGNORECASE)
_LAST_LINES = 5


def classify_failure(log: str, status: int | None, *, served: bool) -> Cause:
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


def is_out_of_memory(words: str) -> bool:
    """Whether an error's words say that memory has run out."""
    return bool(_MEMORY.search(words))


def address_in_use(log: str) -> bool:
    """Whether another program has taken the port."""
    return bool(_ADDRESS.search(log))


def error_excerpt(log: str) -> str:
    """The line that tells the cause best, then the last ones; no tracebacks and progress bars."""
    lines = _spoken(log)
    if not lines:
        return "it wrote nothing"
    telling = next(
        (
            line
            for pattern in (_MEMORY, _REFUSAL, _TELLING)
            for line in reversed(lines)
            if pattern.search(line)
        ),
        None,
    )
    last = lines[-_LAST_LINES:]
    if telling is None:
        return shorten("\n".join(last))
    return shorten("\n".join([telling, *(line for line in last if line != telling)]))


def _spoken(log: str) -> list[str]:
    """Lines that say something, without those of tracebacks."""
    lines = []
    quoted = False  # the line after the place in a traceback is the source there
    for line in _COLOURS.sub("", log).splitlines():
        words = line.strip(" │\r\t")
        if _PLACE.search(line):
            quoted = True
            continue
        if words and not _NOISE.search(line) and not (quoted and "    " in line):
            lines.append(words)
        quoted = False
    return lines
