"""Setting one GPU's clocks and power limit through NVML, and setting them back."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from tuner.hardware.journal import SETTINGS, Journal, boot_id

WORDS = {
    "gpu_clock_mhz": "graphics clocks",
    "memory_clock_mhz": "memory clocks",
    "power_limit_w": "power limit",
}


class Refused(Exception):  # noqa: N818 (the driver's answer, which callers turn into theirs)
    """The driver's words why it did not do what was asked.

    Attributes:
        forbidden: whether it is for want of permission.

    """

    def __init__(self, words: str, *, forbidden: bool = False) -> None:
        super().__init__(words)
        self.forbidden = forbidden


def read_settings(handle: Any, uuid: str, settings: Collection[str]) -> Journal:
    """What a GPU is set to now, as a journal of changes to `settings`. Raises `Refused`."""
    import pynvml

    limit = persistence = None
    if "power_limit_w" in settings:
        try:
            limit = int(pynvml.nvmlDeviceGetPowerManagementLimit(handle))
        except pynvml.NVMLError as error:
            raise _refused("its power limit cannot be read", error) from None
    with contextlib.suppress(pynvml.NVMLError):
        persistence = bool(pynvml.nvmlDeviceGetPersistenceMode(handle))
    return Journal(
        uuid=uuid,
        name=pynvml.nvmlDeviceGetName(handle),
        settings=tuple(name for name in SETTINGS if name in settings),
        power_limit_mw=limit,
        persistence_mode=persistence,
        boot=boot_id(),
        pid=os.getpid(),
        began=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def apply_setting(handle: Any, before: Journal, name: str, value: float) -> None:
    """Set one thing on one GPU; 0 is as it was. Raises `Refused` where the driver does not."""
    import pynvml

    try:
        if name == "gpu_clock_mhz":
            if value:
                pynvml.nvmlDeviceSetGpuLockedClocks(handle, int(value), int(value))
            else:
                pynvml.nvmlDeviceResetGpuLockedClocks(handle)
        elif name == "memory_clock_mhz":
            if value:
                pynvml.nvmlDeviceSetMemoryLockedClocks(handle, int(value), int(value))
            else:
                pynvml.nvmlDeviceResetMemoryLockedClocks(handle)
        elif name == "power_limit_w":
            _limit_power(handle, round(value * 1000) or before.power_limit_mw or 0)
        else:
            raise Refused(f"{name} is nothing that can be set")
    except pynvml.NVMLError as error:
        raise _refused(f"{name}={value:g}" if value else WORDS[name], error) from None


def _limit_power(handle: Any, milliwatts: int) -> None:
    import pynvml

    pynvml.nvmlDeviceSetPowerManagementLimit(handle, milliwatts)
    kept = pynvml.nvmlDeviceGetPowerManagementLimit(handle)
    if abs(kept - milliwatts) > 1000:
        raise Refused(
            f"the driver set the power limit to {kept / 1e3:g} W instead of {milliwatts / 1e3:g} W"
        )


def restore_settings(before: Journal) -> None:
    """Set a GPU as it was, as much of it as can be. Raises `Refused` with all that cannot."""
    import pynvml

    try:
        handle = pynvml.nvmlDeviceGetHandleByUUID(before.uuid)
    except pynvml.NVMLError as error:
        raise _refused("it is not there", error) from None
    refusals = []
    for name in before.settings:
        try:
            apply_setting(handle, before, name, 0)
        except Refused as refusal:
            refusals.append(refusal)
    if refusals:
        raise Refused("; ".join(map(str, refusals)), forbidden=any(r.forbidden for r in refusals))


def _refused(what: str, error: Any) -> Refused:
    import pynvml

    return Refused(f"{what} ({error})", forbidden=isinstance(error, pynvml.NVMLError_NoPermission))
