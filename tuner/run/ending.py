"""A study ends in an orderly way, whatever ends it: a signal, a full disk, a fault."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import NoReturn

from tuner.errors import UserError

TERMINATED = 128 + signal.SIGTERM
"""Exit status of a program that SIGTERM ended, as shells tell it."""
_RESERVED_BYTES = 4 << 20


@contextlib.contextmanager
def exit_on_sigterm() -> Iterator[None]:
    """Let SIGTERM raise `SystemExit`, so that what is open is closed and the result is written.

    Does nothing outside the main thread, or where somebody else handles the signal.
    """
    here = threading.current_thread() is threading.main_thread()
    if not here or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _exit)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _exit(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(TERMINATED)


@contextlib.contextmanager
def reserved_space(folder: Path) -> Iterator[None]:
    """Keep some space of a disk in the folder, for what has to be written when it is full.

    The space is free again when the context is left, however that is.
    """
    path = folder / ".reserved"
    try:
        with path.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, _RESERVED_BYTES)
    except OSError as error:
        path.unlink(missing_ok=True)
        if is_disk_full(error):
            raise UserError(
                f"the disk of {folder} is full; make room, or give another --out."
            ) from error
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def is_disk_full(error: BaseException | None) -> bool:
    """Whether an error comes from a full disk, the database's among them."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if "disk is full" in str(error):  # what SQLite says
            return True
        error = error.__cause__ or error.__context__
    return False


def cause_of(error: BaseException) -> str:
    """What ended a study, in a few words."""
    if isinstance(error, KeyboardInterrupt):
        return "Ctrl-C"
    if isinstance(error, SystemExit):
        return "SIGTERM" if error.code == TERMINATED else "the program's exit"
    if is_disk_full(error):
        return "a full disk"
    words = str(error).strip().splitlines()
    return f"{type(error).__name__}: {words[0]}" if words else type(error).__name__
