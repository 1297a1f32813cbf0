"""AMD GPUs, Apple and Jetson chips through the package `zeus` (https://ml.energy/zeus)."""

from __future__ import annotations

import contextlib
import importlib.util
import time
from collections.abc import Mapping
from typing import Any

from tuner.measure.meters.meter import MeterStatus, Reading

_WINDOW = "tuner"
_UPDATE_S = 0.1
"""Zeus does not tell how often a value is new; no device that it knows is slower than this."""

_APPLE = ("cpu_total_mj", "gpu_mj", "gpu_sram_mj", "ane_mj", "dram_mj")
_JETSON = ("cpu_energy_mj", "gpu_energy_mj")


class ZeusMeter:
    """Measures windows with a `zeus.monitor.ZeusMonitor`: its GPUs, or else its chip.

    CPU packages are left to `RaplMeter`, since Zeus polls them in a process of its own.

    Args:
        monitor: in place of a new monitor, for tests.

    Attributes:
        meters_gpus: whether it meters GPU boards, and not a chip that includes the processor.

    Raises:
        ImportError: zeus is not installed.
        LookupError: it finds nothing to meter here.

    """

    source = "zeus"

    def __init__(self, monitor: Any = None) -> None:
        if monitor is None:
            from zeus.monitor import ZeusMonitor

            monitor = ZeusMonitor(cpu_indices=[])
        self._monitor = monitor
        self.meters_gpus = bool(monitor.gpu_indices)
        if not self.meters_gpus and not monitor.soc_is_present:
            raise LookupError("Zeus finds no GPU and no chip that it can meter")
        self.scope = (
            "gpus " + ", ".join(str(index) for index in monitor.gpu_indices)
            if self.meters_gpus
            else f"chip ({type(monitor.soc).__name__})"
        )
        self.parameters: Mapping[str, float] = {"update_s": _UPDATE_S}
        self._began = 0.0

    def start(self) -> None:
        """Open a window."""
        with contextlib.suppress(Exception):  # of any vendor's library; `stop` finds no window
            self._monitor.begin_window(_WINDOW, sync_execution=False, restart=True)
        self._began = time.perf_counter()

    def stop(self) -> Reading:
        """Close it."""
        seconds = time.perf_counter() - self._began
        try:
            window = self._monitor.end_window(_WINDOW, sync_execution=False)
        except Exception as error:  # of any vendor's library
            return Reading(seconds, None, 0.0, (f"Zeus could not read the meter: {error}",))
        joules = (
            sum(window.gpu_energy.values()) if self.meters_gpus else _chip_joules(window.soc_energy)
        )
        if not joules or joules <= 0:
            return Reading(seconds, None, 0.0, ("Zeus read no energy",))
        return Reading(seconds, joules, min(1.0, _UPDATE_S / seconds))

    def power_limits(self) -> tuple[float, float] | None:
        """Unknown: Zeus meters many kinds of devices."""
        return None

    def close(self) -> None:
        """Nothing to release."""


def _chip_joules(energy: Any) -> float | None:
    """Sum of a chip's parts that do not include one another; None where it tells none."""
    total = getattr(energy, "total_energy_mj", None)
    if total is not None:
        return float(total) / 1e3
    names = _APPLE if hasattr(energy, "cpu_total_mj") else _JETSON
    parts = [value for name in names if (value := getattr(energy, name, None)) is not None]
    return sum(parts) / 1e3 if parts else None


def status() -> MeterStatus:
    """Whether Zeus meters anything here, and what it would take."""
    name = "Zeus"
    if importlib.util.find_spec("zeus") is None:
        remedy = "pip install 'llm-pareto-tuner[zeus]' (for AMD, Apple, Jetson)"
        return MeterStatus(name, False, "not installed", remedy)
    try:
        meter = ZeusMeter()
    except Exception as error:  # of any vendor's library
        return MeterStatus(name, False, str(error))
    return MeterStatus(name, True, meter.scope)
