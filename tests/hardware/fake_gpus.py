"""Boards of the fake NVIDIA driver (tests/fake_nvml.c), kept in files for all processes."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from dataclasses import astuple, dataclass, replace
from pathlib import Path

FREE = (0, 0)


@dataclass(frozen=True)
class Board:
    """The settings of a board as the driver keeps them: milliwatts and MHz; (0, 0) is unlocked."""

    limit: int = 350_000
    lowest: int = 100_000
    highest: int = 450_000
    vendor: int = 400_000
    gpu: tuple[int, int] = FREE
    memory: tuple[int, int] = FREE
    persistence: int = 1
    power_code: int = 0
    gpu_code: int = 0
    memory_code: int = 0
    pause_us: int = 0


class Boards:
    """All boards; what is written here is what every process with this environment sees."""

    def __init__(self, folder: Path) -> None:
        self._settings = folder / "settings"
        self._settings.mkdir()
        self._driver = folder / "driver"
        self.state = folder / "home"
        self.journals = self.state / "tune" / "gpu"
        self._mig: dict[str, int] = {}
        self._written: dict[str, Board] = {}

    @property
    def environment(self) -> dict[str, str]:
        return {
            "FAKE_NVML": str(self._driver),
            "FAKE_NVML_EPOCH": "0",
            "FAKE_NVML_SETTINGS": str(self._settings),
            "XDG_STATE_HOME": str(self.state),
        }

    def add(self, uuid: str = "GPU-aaaa", *, mig: int = -1, **settings) -> Board:
        self._mig[uuid] = mig
        self._tell_driver()
        self[uuid] = Board(**settings)
        return self[uuid]

    def take_away(self, uuid: str) -> None:
        del self._mig[uuid]
        self._tell_driver()

    def _tell_driver(self) -> None:
        lines = [f"{uuid} 300 20 0 0 0 {mig} 0 0 0" for uuid, mig in self._mig.items()]
        new = self._driver.with_suffix(".new")
        new.write_text("\n".join([f"0 {len(lines)}", *lines]))
        new.rename(self._driver)

    def __getitem__(self, uuid: str) -> Board:
        n = list(map(int, (self._settings / uuid).read_text().split()))
        return Board(*n[:4], (n[4], n[5]), (n[6], n[7]), *n[8:])

    def __setitem__(self, uuid: str, board: Board) -> None:
        flat = [n for value in astuple(board) for n in (value if type(value) is tuple else [value])]
        new = self._settings / f"{uuid}.test"
        new.write_text(" ".join(map(str, flat)))
        new.rename(self._settings / uuid)

    def change(self, uuid: str = "GPU-aaaa", **settings) -> None:
        self[uuid] = replace(self[uuid], **settings)

    def all(self) -> dict[str, Board]:
        return {uuid: self[uuid] for uuid in self._mig}

    def wait_until_free(self, seconds: float = 30) -> None:
        """Until no process holds a lock: neither a tuner nor its watchdog."""
        end = time.monotonic() + seconds
        for path in self.journals.glob("*.lock"):
            with path.open("r+") as file:
                while True:
                    with contextlib.suppress(BlockingIOError):
                        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        break
                    assert time.monotonic() < end, f"{path} is still held"
                    time.sleep(0.01)

    def processes(self) -> list[int]:
        """Those that were started with this environment and still run."""
        mark = f"FAKE_NVML={self._driver}\0".encode()
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                ended = (path / "stat").read_text().rpartition(")")[2].split()[0] in "ZX"
                if not ended and mark in (path / "environ").read_bytes():
                    found.append(int(path.name))
        return [pid for pid in found if pid != os.getpid()]

    def watchdogs(self) -> list[int]:
        return [pid for pid in self.processes() if b"watchdog" in _command(pid)]


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
