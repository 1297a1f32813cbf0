"""The windows of a verification: in memory, and in a file from which a resumed study reads them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from tuner.measure import Window
from tuner.space import Configuration


class VerificationLog:
    """Windows by configuration, in the order of their blocks.

    Args:
        path: of a file with one JSON object a block; None keeps nothing. What a kill cut
            off is cut off altogether.

    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self.windows: dict[Configuration, list[Window]] = {}
        self.next_block = 0
        self._failed: set[Configuration] = set()
        if path is not None and path.exists():
            self._read(path)

    @property
    def failed(self) -> frozenset[Configuration]:
        """Configurations that failed in a window."""
        return frozenset(self._failed)

    def add(self, block: int, windows: Mapping[Configuration, Window]) -> None:
        """Take the windows of a block; they are on disk when this returns."""
        if not windows:
            return
        self._take(block, windows)
        if self._path is None:
            return
        entries = [{"configuration": dict(c), **window.to_dict()} for c, window in windows.items()]
        with self._path.open("a") as file:
            file.write(json.dumps({"block": block, "windows": entries}) + "\n")

    def _take(self, block: int, windows: Mapping[Configuration, Window]) -> None:
        self.next_block = max(self.next_block, block + 1)
        for configuration, window in windows.items():
            if window.measurement.failure is not None:
                self._failed.add(configuration)
            else:
                self.windows.setdefault(configuration, []).append(window)

    def _read(self, path: Path) -> None:
        intact = 0
        for line in path.read_bytes().splitlines(keepends=True):
            try:
                if not line.endswith(b"\n"):
                    raise ValueError("cut off")
                entry = json.loads(line)
                windows = {
                    Configuration.of(w.pop("configuration")): Window.from_dict(w)
                    for w in entry["windows"]
                }
                self._take(entry["block"], windows)
            except (ValueError, KeyError, TypeError):
                with path.open("r+b") as file:
                    file.truncate(intact)
                return
            intact += len(line)
