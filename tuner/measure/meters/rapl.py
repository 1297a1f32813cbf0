"""Running average power limit (RAPL): energy counters of the CPU packages, through powercap."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tuner.measure.meters.meter import MeterStatus, Reading

POWERCAP = Path("/sys/class/powercap")
UPDATE_S = 1e-3
"""How often the counter moves, at least (Intel SDM volume 3B, section on RAPL interfaces)."""

_MOST_WATTS = 1000.0
"""No package draws more; a window in which it could wrap twice at this power is refused."""


@dataclass(frozen=True)
class Package:
    """One CPU package's counter: its name, files, and where it wraps around."""

    name: str
    counter: Path
    range_uj: int

    def read_uj(self) -> int:
        """The counter in microjoules; OSError where it cannot be read."""
        return int(self.counter.read_text())


def packages(root: Path = POWERCAP) -> list[Package]:
    """All packages, each once.

    Left out: `psys`, which includes the packages, and `intel-rapl-mmio`, which mirrors them.
    """
    found = []
    for zone in sorted(root.glob("intel-rapl:*")):
        if zone.name.count(":") != 1:
            continue  # a part of a package
        name = (zone / "name").read_text().strip()
        if name.startswith("package"):
            range_uj = int((zone / "max_energy_range_uj").read_text())
            found.append(Package(name, zone / "energy_uj", range_uj))
    return found


class RaplMeter:
    """Sums the counters of all CPU packages, idle power and other programs included."""

    source = "rapl"

    def __init__(self, root: Path = POWERCAP) -> None:
        self._packages = packages(root)
        self.scope = ", ".join(package.name for package in self._packages)
        self.parameters: Mapping[str, float] = {"update_s": UPDATE_S}
        self._began = 0.0
        self._at_start: list[int] = []

    def start(self) -> None:
        """Note the counters."""
        self._at_start = []
        with contextlib.suppress(OSError):  # `stop` finds nothing noted, and says so
            self._at_start = [package.read_uj() for package in self._packages]
        self._began = time.perf_counter()

    def stop(self) -> Reading:
        """Read the counters again, minding that each may have wrapped around once."""
        seconds = time.perf_counter() - self._began
        try:
            now = [package.read_uj() for package in self._packages]
        except OSError as error:
            return Reading(seconds, None, 0.0, (f"the RAPL counter was lost: {error}",))
        if len(self._at_start) != len(now):
            return Reading(seconds, None, 0.0, ("the RAPL counter could not be read",))
        joules = 0.0
        for package, before, after in zip(self._packages, self._at_start, now, strict=True):
            if seconds * _MOST_WATTS * 1e6 > package.range_uj:
                problem = f"{package.name} may have wrapped around unseen in {seconds:.0f} s"
                return Reading(seconds, None, 0.0, (problem,))
            moved = after - before
            joules += (moved if moved >= 0 else moved + package.range_uj) / 1e6
        if joules == 0:
            return Reading(seconds, None, 0.0, ("the RAPL counter stood still",))
        return Reading(seconds, joules, min(1.0, 2 * UPDATE_S / seconds))

    def power_limits(self) -> tuple[float, float] | None:
        """Anything that packages can draw."""
        return 0.0, _MOST_WATTS * len(self._packages)

    def close(self) -> None:
        """Nothing to release."""


def status(root: Path = POWERCAP) -> MeterStatus:
    """Whether RAPL can be read here, and what it would take."""
    name = "RAPL"
    if not root.is_dir() or not list(root.glob("intel-rapl:*")):
        detail = f"{root} has no intel-rapl zones, as on most virtual machines and on ARM"
        return MeterStatus(name, False, detail)
    found = packages(root)
    if not found:
        return MeterStatus(name, False, f"{root} lists no CPU package")
    try:
        for package in found:
            package.read_uj()
    except PermissionError as error:
        remedy = f"let this user read it: sudo chmod a+r {root}/intel-rapl:*/energy_uj"
        return MeterStatus(name, False, f"only root may read {error.filename}", remedy)
    except OSError as error:
        return MeterStatus(name, False, f"reading {error.filename} fails: {error.strerror}")
    return MeterStatus(name, True, ", ".join(package.name for package in found))
