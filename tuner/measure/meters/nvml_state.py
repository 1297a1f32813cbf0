"""What else went on while GPUs were metered: clocks, heat, throttling, other programs."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence

from tuner.measure.meters.nvml_gpus import Gpu

_EVERY_S = 0.5
_SLOWED = {
    0x08: "hardware slowdown",
    0x20: "thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "power brake",
}
_POWER_CAP = 0x04


class StateWatch:
    """Looks at GPUs at the start of a window, every half second, and at its end.

    A GPU that was throttled in the middle may look well at the end, so looking once is not enough.
    """

    def __init__(self, gpus: Sequence[Gpu]) -> None:
        self._gpus = gpus
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._clear()

    def start(self) -> None:
        """Begin to look."""
        self.end()
        self._clear()
        self._stop.clear()
        self._look()
        self._thread = threading.Thread(target=self._keep_looking, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Look no more."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
            self._look()

    @property
    def details(self) -> dict[str, float]:
        """Over the window: highest temperature, lowest and highest clock, shares of looks.

        `temperature_c`, `gpu_clock_mhz_min`, `gpu_clock_mhz_max`, `processes` (the most on one
        GPU), `throttled` and `power_capped` (shares of the looks in which any GPU was).
        """
        found: dict[str, float] = {}
        if self._celsius:
            found["temperature_c"] = max(self._celsius)
        if self._mhz:
            found["gpu_clock_mhz_min"] = min(self._mhz)
            found["gpu_clock_mhz_max"] = max(self._mhz)
        if self._shared:
            found["processes"] = max(self._shared.values())
        if self._looks:
            found["throttled"] = self._throttled / self._looks
            found["power_capped"] = self._capped / self._looks
        return found

    @property
    def problems(self) -> tuple[str, ...]:
        """What makes the window doubtful."""
        return tuple(self._problems())

    def _problems(self) -> Iterator[str]:
        for gpu in self._gpus:
            bits = self._reasons.get(gpu.uuid, 0)
            for bit, words in _SLOWED.items():
                if bits & bit:
                    yield f"{gpu.uuid} was throttled ({words})"
            n = self._shared.get(gpu.uuid, 0)
            if n > 1:
                yield f"{n} processes share {gpu.uuid}; its energy is that of all"

    def _clear(self) -> None:
        self._celsius: list[float] = []
        self._mhz: list[float] = []
        self._reasons: dict[str, int] = {}
        self._shared: dict[str, int] = {}
        self._looks = self._throttled = self._capped = 0

    def _keep_looking(self) -> None:
        while not self._stop.wait(_EVERY_S):
            self._look()

    def _look(self) -> None:
        import pynvml

        bits = 0
        for gpu in self._gpus:
            with contextlib.suppress(pynvml.NVMLError):
                self._celsius.append(
                    pynvml.nvmlDeviceGetTemperature(gpu.handle, pynvml.NVML_TEMPERATURE_GPU)
                )
            with contextlib.suppress(pynvml.NVMLError):
                self._mhz.append(pynvml.nvmlDeviceGetClockInfo(gpu.handle, pynvml.NVML_CLOCK_SM))
            with contextlib.suppress(pynvml.NVMLError):
                reasons = int(pynvml.nvmlDeviceGetCurrentClocksEventReasons(gpu.handle))
                self._reasons[gpu.uuid] = self._reasons.get(gpu.uuid, 0) | reasons
                bits |= reasons
            with contextlib.suppress(pynvml.NVMLError):
                # Process ids may be those of another namespace, so they are counted, not compared.
                n = len(pynvml.nvmlDeviceGetComputeRunningProcesses(gpu.handle))
                self._shared[gpu.uuid] = max(n, self._shared.get(gpu.uuid, 0))
        self._looks += 1
        self._throttled += any(bits & bit for bit in _SLOWED)
        self._capped += bool(bits & _POWER_CAP)
