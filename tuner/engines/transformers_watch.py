"""What the child sees while transformers works: its warnings and its memory."""

from __future__ import annotations

import contextlib
import logging
import warnings
from pathlib import Path

import torch


class WarningLog(logging.Handler):
    """Collects what transformers and Python warn of, each message once."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._messages: dict[str, None] = {}
        logging.captureWarnings(True)
        warnings.simplefilter("always", UserWarning)
        for name in ("transformers", "py.warnings"):
            logging.getLogger(name).addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a message."""
        self._messages[record.getMessage().strip()] = None

    def clear(self) -> None:
        """Forget all messages."""
        self._messages = {}

    @property
    def messages(self) -> list[str]:
        """The messages since the last `clear`."""
        return list(self._messages)


class PeakMemory:
    """The largest memory of this process since this object was made.

    On a GPU what torch had allocated on all devices, else the resident set.
    """

    def __init__(self, device: str) -> None:
        self._gpus = range(torch.cuda.device_count()) if device == "cuda" else None
        if self._gpus is not None:
            for gpu in self._gpus:
                torch.cuda.reset_peak_memory_stats(gpu)
        else:
            with contextlib.suppress(OSError):
                Path("/proc/self/clear_refs").write_text("5")  # resets VmHWM, see proc(5)

    def read(self, others: int) -> int | None:
        """Bytes at the peak, less those of `others` that were there but not used; None unknown."""
        if self._gpus is not None:
            return sum(torch.cuda.max_memory_allocated(gpu) for gpu in self._gpus) - others
        with contextlib.suppress(OSError):
            for line in Path("/proc/self/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024 - others
        return None
