"""Which meter to use."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tuner.measure.meters import nvml, rapl, zeus
from tuner.measure.meters.combined import CombinedMeter
from tuner.measure.meters.cpu_time import WATTS_PER_CORE, CpuTimeMeter
from tuner.measure.meters.meter import Meter, MeterStatus
from tuner.measure.meters.nvml_gpus import NoMeterError


def best_meter(
    pids: Callable[[], Sequence[int]],
    device: str = "cpu",
    gpus: Sequence[str] = (),
    watts_per_core: float = WATTS_PER_CORE,
) -> Meter:
    """The most trustworthy meter that works for processes on a device.

    Work on GPUs also keeps CPUs busy. So the GPUs are metered together with the CPU packages,
    where RAPL works too. Where nothing can be metered, it is an estimate; its scope says so if a
    GPU does the work.

    Args:
        pids: gives the processes that do the work.
        device: `cpu`, `cuda` for the GPUs, or `elsewhere` for what nothing here can meter.
        gpus: UUIDs of the GPUs in use; all visible ones where none is given.
        watts_per_core: for the estimate, where nothing can be metered.
    """
    if device == "elsewhere":
        meter = CpuTimeMeter(pids, watts_per_core)
        meter.scope = "nothing: what does the work cannot be seen from here"
        return meter
    if device.startswith("cuda"):
        return _gpu_meter(pids, gpus, watts_per_core)
    if rapl.status().available:
        return rapl.RaplMeter()
    if zeus.status().available:
        return zeus.ZeusMeter()
    return CpuTimeMeter(pids, watts_per_core)


def _gpu_meter(
    pids: Callable[[], Sequence[int]], gpus: Sequence[str], watts_per_core: float
) -> Meter:
    try:
        return _with_packages(nvml.open_meter(gpus))
    except NoMeterError as error:
        if zeus.status().available:
            meter = zeus.ZeusMeter()
            return _with_packages(meter) if meter.meters_gpus else meter
        estimate = CpuTimeMeter(pids, watts_per_core)
        estimate.scope = f"process tree on the CPU, not the GPU: {error}"
        return estimate


def _with_packages(meter: Meter) -> Meter:
    """A meter of GPU boards together with the CPU packages, where RAPL can be read."""
    return CombinedMeter([meter, rapl.RaplMeter()]) if rapl.status().available else meter


def probe_meters() -> list[MeterStatus]:
    """Every kind of meter: whether it works here, and what it would take."""
    return [
        nvml.status(),
        rapl.status(),
        zeus.status(),
        MeterStatus(
            "CPU time",
            True,
            f"energy estimated as {WATTS_PER_CORE:g} W for each busy core, labelled `estimated`",
        ),
    ]
