"""NVIDIA GPUs through NVML: the energy counter of the board, or its power summed over time.

The counter moves in ticks of 20 to 100 ms. So a window begins just after a tick, and at its end
the next tick is awaited and shared out between the window and what came after it; what that can be
wrong by at most is the reading's `quantisation_rel`.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections.abc import Mapping, Sequence

from tuner.measure.meters.meter import MeterStatus, Reading
from tuner.measure.meters.nvml_gpus import (
    LONGEST_TICK_S,
    POLL_S,
    Gpu,
    NoMeterError,
    check_power,
    chosen,
    counter_mj,
    enter,
    instant_watts,
    leave,
    mean_watts,
    power_limits,
    power_update_s,
    probe,
)
from tuner.measure.meters.nvml_state import StateWatch

_SAMPLE_S = 0.05
"""Between two samples of power; NVML answers worse when asked more often."""

_UPDATE_S = 0.1
"""Of the present power, where it moves too little to tell."""

_MEAN_OVER_S = 1.0
"""What the power is averaged over on boards that do not tell the present one."""


class NvmlCounterMeter:
    """Sums the energy counters of GPUs."""

    source = "nvml_counter"

    def __init__(self, gpus: Sequence[Gpu]) -> None:
        self._gpus = gpus
        self.scope = ", ".join(f"gpu:{gpu.uuid}" for gpu in gpus)
        self._tick_s = max(gpu.tick_s or 0.0 for gpu in gpus)
        self.parameters: Mapping[str, float] = {"update_s": self._tick_s}
        self._at_start: list[int] = []
        self._began = 0.0
        self._watch = StateWatch(gpus)

    def start(self) -> None:
        """Wait for the counters' next tick, and begin there."""
        import pynvml

        self._watch.start()
        self._at_start = []
        with contextlib.suppress(pynvml.NVMLError):  # `stop` finds nothing noted, and says so
            self._await_ticks([counter_mj(gpu) for gpu in self._gpus])
            self._at_start = [counter_mj(gpu) for gpu in self._gpus]
        self._began = time.perf_counter()

    def stop(self) -> Reading:
        """Wait for the next tick after the window, and share it out."""
        import pynvml

        ended = time.perf_counter()
        seconds = ended - self._began
        try:
            now = [counter_mj(gpu) for gpu in self._gpus]
            ticks = self._await_ticks(now)
        except pynvml.NVMLError as error:
            return Reading(seconds, None, 0.0, (f"the GPU was lost while metering: {error}",))
        finally:
            self._watch.end()
        if len(self._at_start) != len(now):
            return Reading(seconds, None, 0.0, ("the energy counter could not be read",))
        joules = largest = 0.0
        for before, after, (ticked_at, ticked) in zip(self._at_start, now, ticks, strict=True):
            if after < before or ticked < after:
                problem = "the energy counter went back: was the driver loaded anew?"
                return Reading(seconds, None, 0.0, (problem,))
            last_tick = (ticked - after) / 1e3
            inside = max(0.0, 1.0 - (ticked_at - ended) / self._tick_s) if self._tick_s else 0.0
            joules += (after - before) / 1e3 + inside * last_tick
            largest += last_tick
        if joules <= 0:
            return Reading(seconds, None, 0.0, ("the energy counter stood still",))
        # a busy machine may let no tick be seen: then one may be missing altogether
        wrong_by = min(1.0, max(largest / joules, self._tick_s / max(seconds, 1e-9)))
        return Reading(seconds, joules, wrong_by, self._watch.problems, self._watch.details)

    def power_limits(self) -> tuple[float, float] | None:
        """Between nothing and the limits that the boards enforce, with a tenth to spare."""
        return power_limits(self._gpus)

    def close(self) -> None:
        """Look no more, and leave NVML."""
        self._watch.end()
        leave()

    def _await_ticks(self, before: Sequence[int]) -> list[tuple[float, int]]:
        """When each counter has moved on, and to what; those that do not move stay as they are."""
        now = time.perf_counter()
        end = now + min(LONGEST_TICK_S, 3 * self._tick_s)
        moved: dict[int, tuple[float, int]] = {}
        while len(moved) < len(before) and now < end:
            time.sleep(POLL_S)
            for i, gpu in enumerate(self._gpus):
                value = counter_mj(gpu)
                now = time.perf_counter()
                if i not in moved and value != before[i]:
                    moved[i] = (now, value)
        return [moved.get(i, (now, value)) for i, value in enumerate(before)]


class NvmlPowerMeter:
    """Sums the power of GPUs over time, sampled in a thread.

    Coarser than the counter: NVML gives power as it was in a part of each update interval, or as a
    mean over up to a second (arXiv 2312.02741).
    """

    source = "nvml_power"

    def __init__(self, gpus: Sequence[Gpu]) -> None:
        self._gpus = gpus
        self.scope = ", ".join(f"gpu:{gpu.uuid}" for gpu in gpus)
        self._instant = all(instant_watts(gpu) is not None for gpu in gpus)
        self._update_s = _MEAN_OVER_S
        if self._instant:
            self._update_s = max(power_update_s(gpu) or _UPDATE_S for gpu in gpus)
        self.parameters: Mapping[str, float] = {
            "update_s": self._update_s,
            "sample_s": _SAMPLE_S,
            "instant": float(self._instant),
        }
        self._samples: list[tuple[float, float]] = []
        self._problem = ""
        self._watch = StateWatch(gpus)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._began = 0.0

    def start(self) -> None:
        """Begin to sample."""
        self._samples, self._problem = [], ""
        self._watch.start()
        self._stop.clear()
        self._began = time.perf_counter()
        self._sample()
        self._thread = threading.Thread(target=self._keep_sampling, daemon=True)
        self._thread.start()

    def stop(self) -> Reading:
        """Take the last sample and integrate by trapezoids."""
        seconds = time.perf_counter() - self._began
        self._sample()
        self._end_thread()
        samples = self._samples
        if len(samples) < 2:
            words = self._problem or "no sample of power could be taken"
            return Reading(seconds, None, 0.0, (f"the GPU's power could not be read: {words}",))
        joules = sum(
            (p1 + p0) / 2 * (t1 - t0) for (t0, p0), (t1, p1) in itertools.pairwise(samples)
        )
        joules *= seconds / (samples[-1][0] - samples[0][0])
        problems = self._watch.problems
        if self._problem:
            problems = (*problems, f"some samples of power are missing: {self._problem}")
        wrong_by = min(1.0, self._update_s / seconds)
        return Reading(seconds, joules, wrong_by, problems, self._watch.details)

    def power_limits(self) -> tuple[float, float] | None:
        """Between nothing and the limits that the boards enforce, with a tenth to spare."""
        return power_limits(self._gpus)

    def close(self) -> None:
        """End the thread and leave NVML."""
        self._end_thread()
        leave()

    def _end_thread(self) -> None:
        self._watch.end()
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _keep_sampling(self) -> None:
        while not self._stop.wait(_SAMPLE_S):
            self._sample()

    def _sample(self) -> None:
        import pynvml

        try:
            watts = sum(self._watts(gpu) for gpu in self._gpus)
        except pynvml.NVMLError as error:
            self._problem = str(error)
            return
        if watts > 0:  # a board that is asked too often says 0
            self._samples.append((time.perf_counter(), watts))

    def _watts(self, gpu: Gpu) -> float:
        now = instant_watts(gpu) if self._instant else None
        return mean_watts(gpu) if now is None else now


def open_meter(uuids: Sequence[str] = ()) -> NvmlCounterMeter | NvmlPowerMeter:
    """The best meter for some GPUs; for all that CUDA may see where none is named.

    Raises:
        NoMeterError: they cannot be metered.
    """
    enter()
    try:
        gpus = [probe(handle, uuid) for handle, uuid in chosen(uuids)]
        if not gpus:
            raise NoMeterError("there is no NVIDIA GPU")
        if all(gpu.tick_s is not None for gpu in gpus):
            return NvmlCounterMeter(gpus)
        for gpu in gpus:
            check_power(gpu)
        return NvmlPowerMeter(gpus)
    except BaseException:
        leave()
        raise


def status() -> MeterStatus:
    """Whether NVML meters the GPUs here, and what it would take."""
    name = "NVML"
    try:
        meter = open_meter()
    except NoMeterError as error:
        return MeterStatus(name, False, str(error), error.remedy)
    update_ms = meter.parameters["update_s"] * 1e3
    meter.close()
    how = "energy counter" if meter.source == "nvml_counter" else "power, no energy counter"
    return MeterStatus(name, True, f"{meter.scope} ({how}, a new value every {update_ms:.0f} ms)")
