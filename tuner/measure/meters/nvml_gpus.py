"""Finding and reading NVIDIA GPUs by NVML."""

from __future__ import annotations

import contextlib
import itertools
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

POLL_S = 0.001
POWER_POLL_S = 0.01
"""Power is asked for less often: some boards answer 0 otherwise."""
LONGEST_TICK_S = 0.5
"""A counter that takes longer to move counts as standing still."""


class NoMeterError(Exception):
    """Why the GPUs cannot be metered, in a sentence; `remedy` says what would help."""

    def __init__(self, why: str, remedy: str = "") -> None:
        super().__init__(why)
        self.remedy = remedy


@dataclass(frozen=True)
class Gpu:
    """One board: its NVML handle, UUID and name, and how often its counter moves."""

    handle: Any
    uuid: str
    name: str
    tick_s: float | None
    """None where it has no counter that works."""


def enter() -> None:
    """Open NVML; `leave` closes it again. Raises `NoMeterError`."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError_LibraryNotFound:
        raise NoMeterError("there is no NVIDIA driver (libnvidia-ml.so.1)") from None
    except pynvml.NVMLError_NoPermission:
        why = "this user may not ask the NVIDIA driver"
        raise NoMeterError(why, "allow it to read /dev/nvidia*") from None
    except pynvml.NVMLError as error:
        raise NoMeterError(f"the NVIDIA driver does not answer: {error}") from None


def leave() -> None:
    """Close what `enter` opened."""
    import pynvml

    with contextlib.suppress(pynvml.NVMLError):
        pynvml.nvmlShutdown()


def chosen(uuids: Sequence[str]) -> Iterator[tuple[Any, str]]:
    """Handles and UUIDs of the GPUs named, or else of those in CUDA_VISIBLE_DEVICES, or of all."""
    import pynvml

    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    entries = visible.split(",") if visible is not None else None
    if any(entry.strip().startswith("MIG-") for entry in (*uuids, *(entries or ()))):
        raise _mig_error("a MIG slice")
    try:
        handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
        by_uuid = {pynvml.nvmlDeviceGetUUID(handle): handle for handle in handles}
    except pynvml.NVMLError as error:
        raise NoMeterError(f"the NVIDIA driver does not answer: {error}") from None
    names = list(by_uuid)
    if uuids:
        wanted = list(uuids)
    elif entries is None:
        wanted = names
    else:
        wanted = [
            names[int(entry)] if entry.strip().isdigit() and int(entry) < len(names) else entry
            for entry in entries
            if entry.strip() and entry.strip() != "-1"
        ]
    for uuid in wanted:
        matches = [name for name in names if name.startswith(uuid.strip())]
        if len(matches) != 1:
            raise NoMeterError(f"the NVIDIA driver knows no GPU {uuid}")
        yield by_uuid[matches[0]], matches[0]


def probe(handle: Any, uuid: str) -> Gpu:
    """See what a board can tell. Raises `NoMeterError` where it is partitioned."""
    import pynvml

    with contextlib.suppress(pynvml.NVMLError):
        if pynvml.nvmlDeviceGetMigMode(handle)[0]:
            raise _mig_error(uuid)
    name = pynvml.nvmlDeviceGetName(handle)
    gpu = Gpu(handle, uuid, name, None)
    try:
        return Gpu(handle, uuid, name, _shortest_gap(lambda: counter_mj(gpu), POLL_S))
    except pynvml.NVMLError:
        return gpu


def _mig_error(what: str) -> NoMeterError:
    return NoMeterError(
        f"{what} is partitioned (MIG), and NVML meters whole boards only",
        "run on a GPU without MIG to have energy metered",
    )


def power_update_s(gpu: Gpu) -> float | None:
    """Shortest time between two values of the present power; None where it hardly moves."""
    return _shortest_gap(lambda: instant_watts(gpu), POWER_POLL_S)


def _shortest_gap(read: Callable[[], float | None], poll_s: float) -> float | None:
    """Shortest time between moves of a value; None where two are not seen in half a second."""
    moves: list[float] = []
    began, before = time.perf_counter(), read()
    while (now := time.perf_counter()) - began < LONGEST_TICK_S and len(moves) < 4:
        value = read()
        if value != before:
            moves.append(now)
            before = value
        time.sleep(poll_s)
    gaps = [after - before for before, after in itertools.pairwise(moves)]
    return min(gaps) if gaps else None


def check_power(gpu: Gpu) -> None:
    """Raise `NoMeterError`, with the remedy, where power cannot be read."""
    import pynvml

    try:
        mean_watts(gpu)
    except pynvml.NVMLError_NoPermission:
        raise NoMeterError(
            f"{gpu.uuid} ({gpu.name}): this user may not read its power",
            "allow it in the driver, or run as a user who may",
        ) from None
    except pynvml.NVMLError as error:
        raise NoMeterError(
            f"{gpu.uuid} ({gpu.name}) tells neither energy nor power: {error}"
        ) from None


def counter_mj(gpu: Gpu) -> int:
    """Energy since the driver was loaded, in millijoules."""
    import pynvml

    return int(pynvml.nvmlDeviceGetTotalEnergyConsumption(gpu.handle))


def mean_watts(gpu: Gpu) -> float:
    """Power: on most boards a mean over the last second."""
    import pynvml

    return float(pynvml.nvmlDeviceGetPowerUsage(gpu.handle)) / 1e3


def instant_watts(gpu: Gpu) -> float | None:
    """Power just now; None where the driver does not tell."""
    import pynvml

    try:
        (field,) = pynvml.nvmlDeviceGetFieldValues(gpu.handle, [pynvml.NVML_FI_DEV_POWER_INSTANT])
    except pynvml.NVMLError:
        return None
    return field.value.uiVal / 1e3 if field.nvmlReturn == pynvml.NVML_SUCCESS else None


def power_limits(gpus: Sequence[Gpu]) -> tuple[float, float] | None:
    """Between nothing and the limits that the boards enforce, with a tenth to spare."""
    import pynvml

    try:
        limits = [pynvml.nvmlDeviceGetEnforcedPowerLimit(gpu.handle) / 1e3 for gpu in gpus]
    except pynvml.NVMLError:
        return None
    return 0.0, 1.1 * sum(limits)
