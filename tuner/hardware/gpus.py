"""The GPUs that may be controlled, and what each can be set to."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner.errors import UserError
from tuner.measure.meters.nvml_gpus import NoMeterError, chosen, enter, leave

_CAP_SYS_ADMIN = 21


@dataclass(frozen=True)
class GpuLimits:
    """What one GPU can be set to, and what it is set to now; None and () where it does not tell.

    Attributes:
        uuid: which GPU.
        name: its product name.
        gpu_clocks_mhz: supported graphics clocks at the highest memory clock, ascending.
        memory_clocks_mhz: supported memory clocks, ascending.
        power_limits_w: lowest and highest power limit.
        default_power_limit_w: what the vendor sets.
        power_limit_w: what is set now.
        gpu_clock_mhz: what the graphics units run at now; an idle GPU slows down by itself.
        memory_clock_mhz: what the memory runs at now.
        persistence_mode: whether the driver keeps settings while no program uses the GPU.

    """

    uuid: str
    name: str
    gpu_clocks_mhz: tuple[int, ...]
    memory_clocks_mhz: tuple[int, ...]
    power_limits_w: tuple[float, float] | None
    default_power_limit_w: float | None
    power_limit_w: float | None
    gpu_clock_mhz: int | None
    memory_clock_mhz: int | None
    persistence_mode: bool | None


@contextlib.contextmanager
def nvml() -> Iterator[None]:
    """Hold NVML open. Raises `UserError` where there is none."""
    try:
        enter()
    except NoMeterError as error:
        remedy = f" To mend it: {error.remedy}." if error.remedy else ""
        raise UserError(f"GPUs cannot be controlled: {error}.{remedy}") from None
    try:
        yield
    finally:
        leave()


def controllable(uuids: Sequence[str] | None = None) -> dict[str, Any]:
    """NVML handles by UUID: the GPUs named, or those in CUDA_VISIBLE_DEVICES, or all.

    Raises `UserError` where one is unknown, partitioned or ambiguous, and where there is none.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    named = tuple(uuids or ())
    if any(entry.strip().startswith("MIG-") for entry in named or visible):
        raise _mig_error("a MIG slice")
    try:
        gpus = {uuid: handle for handle, uuid in chosen(named)}
    except NoMeterError as error:
        raise UserError(f"GPUs cannot be controlled: {error}.") from None
    if not gpus:
        raise UserError("There is no NVIDIA GPU to control, or CUDA_VISIBLE_DEVICES hides it.")
    for uuid, handle in gpus.items():
        if (_tell("nvmlDeviceGetMigMode", handle) or (0,))[0]:
            raise _mig_error(uuid)
    if not named and any(entry.strip().isdigit() for entry in visible):
        _check_order()
    return gpus


def _check_order() -> None:
    """CUDA counts GPUs by speed, NVML by bus: where boards differ, a number is no name."""
    import pynvml

    count = pynvml.nvmlDeviceGetCount()
    names = {pynvml.nvmlDeviceGetName(pynvml.nvmlDeviceGetHandleByIndex(i)) for i in range(count)}
    if len(names) > 1 and os.environ.get("CUDA_DEVICE_ORDER") != "PCI_BUS_ID":
        raise UserError(
            "CUDA_VISIBLE_DEVICES names GPUs by number, and the boards here differ, so the numbers "
            "of CUDA and of the driver may too. Name them by UUID (`nvidia-smi -L`), or set "
            "CUDA_DEVICE_ORDER=PCI_BUS_ID."
        )


def _mig_error(what: str) -> UserError:
    return UserError(
        f"{what} is partitioned (MIG): clocks and power limit belong to the whole board, and would "
        "change for everybody on it. Control a GPU without MIG."
    )


def supported(uuids: Sequence[str] | None = None) -> tuple[GpuLimits, ...]:
    """What GPUs can be set to: those named, or those in CUDA_VISIBLE_DEVICES, or all.

    Changes nothing and needs no permission. Raises `UserError` where there is no such GPU.
    """
    with nvml():
        return tuple(_limits(uuid, handle) for uuid, handle in controllable(uuids).items())


def _limits(uuid: str, handle: Any) -> GpuLimits:
    import pynvml

    memory = sorted(_tell("nvmlDeviceGetSupportedMemoryClocks", handle) or ())
    clocks = _tell("nvmlDeviceGetSupportedGraphicsClocks", handle, memory[-1]) if memory else ()
    span = _tell("nvmlDeviceGetPowerManagementLimitConstraints", handle)
    return GpuLimits(
        uuid=uuid,
        name=pynvml.nvmlDeviceGetName(handle),
        gpu_clocks_mhz=tuple(sorted(clocks or ())),
        memory_clocks_mhz=tuple(memory),
        power_limits_w=(span[0] / 1e3, span[1] / 1e3) if span else None,
        default_power_limit_w=_watts(_tell("nvmlDeviceGetPowerManagementDefaultLimit", handle)),
        power_limit_w=_watts(_tell("nvmlDeviceGetPowerManagementLimit", handle)),
        gpu_clock_mhz=_tell("nvmlDeviceGetClockInfo", handle, pynvml.NVML_CLOCK_GRAPHICS),
        memory_clock_mhz=_tell("nvmlDeviceGetClockInfo", handle, pynvml.NVML_CLOCK_MEM),
        persistence_mode=_tell("nvmlDeviceGetPersistenceMode", handle, of=bool),
    )


def _tell(function: str, *arguments: Any, of: Callable[[Any], Any] = lambda told: told) -> Any:
    """What an NVML function answers; None where it does not."""
    import pynvml

    try:
        return of(getattr(pynvml, function)(*arguments))
    except pynvml.NVMLError:
        return None


def _watts(milliwatts: int | None) -> float | None:
    return None if milliwatts is None else milliwatts / 1e3


def may_control() -> bool:
    """Whether this process has what the driver asks of those who change settings.

    That is root, in containers with CAP_SYS_ADMIN. Only a change tells for certain.
    """
    try:
        status = Path("/proc/self/status").read_text()
        mask = int(status.partition("CapEff:")[2].split()[0], 16)
    except (OSError, IndexError, ValueError):
        return os.geteuid() == 0
    return os.geteuid() == 0 and bool(mask >> _CAP_SYS_ADMIN & 1)


def domains(limits: Sequence[GpuLimits], *, levels: int = 8) -> dict[str, tuple[int, ...]]:
    """At most `levels` values to try for each setting that all these GPUs have, ascending.

    Leaving a setting alone comes on top of them. Clocks are spread evenly over those supported,
    lowest and highest included. Power limits (whole watts) lie below the one in force, which is had
    by leaving it alone: who lowered it may have had to, so it is never raised.
    """
    found = {
        "gpu_clock_mhz": _thinned([gpu.gpu_clocks_mhz for gpu in limits], levels),
        "memory_clock_mhz": _thinned([gpu.memory_clocks_mhz for gpu in limits], levels),
        "power_limit_w": _power_levels(limits, levels),
    }
    return {name: tuple(values) for name, values in found.items() if values}


def _thinned(clocks: Sequence[Sequence[int]], levels: int) -> list[int]:
    """At most `levels` of the clocks that all lists share; none where there is no choice."""
    values = sorted(set.intersection(*map(set, clocks))) if clocks else []
    if len(values) < 2:
        return []
    if len(values) <= levels:
        return values
    return [values[round(i * (len(values) - 1) / (levels - 1))] for i in range(levels)]


def _power_levels(limits: Sequence[GpuLimits], levels: int) -> list[int]:
    if not limits or any(gpu.power_limits_w is None or not gpu.power_limit_w for gpu in limits):
        return []
    low = max(gpu.power_limits_w[0] for gpu in limits if gpu.power_limits_w)
    high = min(gpu.power_limit_w for gpu in limits if gpu.power_limit_w)
    watts = {math.ceil(low + (high - low) * i / levels) for i in range(levels)}
    return sorted(w for w in watts if w < high)
