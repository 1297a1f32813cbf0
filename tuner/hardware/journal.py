"""What a GPU was set to before the tuner changed it, on disk: one journal and one lock a GPU.

The journal is there before the first change and goes when the change is undone. The lock is held by
whoever changes a GPU and by the watchdog beside it; it goes by itself when both have ended. So a
journal whose lock is free was left over.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from tuner.errors import UserError

SETTINGS = ("gpu_clock_mhz", "memory_clock_mhz", "power_limit_w")
"""What can be set, as features and arguments are called. 0 is as it was found."""

_FORMAT = 1
_PATIENCE_S = 20.0
"""How long a lock is waited for whose owner has ended: a watchdog may still be restoring."""


@dataclass(frozen=True)
class Journal:
    """What one GPU was set to, and what may have been changed since.

    Attributes:
        uuid: which GPU.
        name: its product name.
        settings: what may be changed, out of `tuner.hardware.SETTINGS`; the rest stays untouched.
        power_limit_mw: the power limit before, in milliwatts; None where it has none.
        persistence_mode: whether the driver keeps the GPU's state without clients; never changed.
        locked_clocks: NVML cannot tell which were in force.
        boot: the kernel's identity of this start of the machine; settings do not outlive it.
        pid: the process that makes the changes.
        began: when, in UTC.

    """

    uuid: str
    name: str
    settings: tuple[str, ...]
    power_limit_mw: int | None
    persistence_mode: bool | None
    boot: str
    pid: int
    began: str
    locked_clocks: str = "unknown: reset on restore"

    @property
    def outlived(self) -> bool:
        """Whether the machine was started anew since, which undid the changes."""
        return bool(self.boot) and self.boot != boot_id()


def state_folder(folder: Path | None = None) -> Path:
    """Where journals are: `folder`, or `tune/gpu` in the user's state folder."""
    if folder is not None:
        return folder.absolute()
    chosen = os.environ.get("XDG_STATE_HOME", "")
    state = Path(chosen) if os.path.isabs(chosen) else Path.home() / ".local" / "state"
    return state / "tune" / "gpu"


def boot_id() -> str:
    """The kernel's identity of this start of the machine; empty where it has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def journal_path(folder: Path, uuid: str) -> Path:
    """Where the journal of a GPU is."""
    if not re.fullmatch(r"[\w-]+", uuid):
        raise UserError(f"The NVIDIA driver names a GPU {uuid!r}, which cannot be a file's name.")
    return folder / f"{uuid}.json"


def write(folder: Path, journal: Journal) -> None:
    """Put a journal on disk, whole or not at all. Raises `UserError` where that fails."""
    path = journal_path(folder, journal.uuid)
    new = path.with_suffix(".new")
    try:
        with new.open("w") as file:
            json.dump({"format": _FORMAT, **asdict(journal)}, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
        _sync(folder)
    except OSError as error:
        raise _unwritable(folder, error) from None


def read(path: Path) -> Journal | None:
    """The journal at a path; None where there is none. Raises `UserError` where it is damaged."""
    try:
        return _from_json(json.loads(path.read_text()), path.stem)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"The journal {path} cannot be read ({type(error).__name__}: {error}), so what "
            f"{path.stem} was set to before is not known. Set it as you want it (`nvidia-smi -i "
            f"{path.stem} --reset-gpu-clocks`, `--reset-memory-clocks`, `--power-limit=WATTS`), "
            "then remove the file."
        ) from None


def _from_json(told: Mapping[str, Any], uuid: str) -> Journal:
    """Raises what is no `UserError` where something is wrong with it."""
    if told["format"] != _FORMAT:
        raise ValueError(f"format {told['format']} instead of {_FORMAT}")
    if told["uuid"] != uuid:
        raise ValueError(f"it is about {told['uuid']}")
    names, limit = told["settings"], told["power_limit_mw"]
    if type(names) is not list or not set(names) <= set(SETTINGS):
        raise ValueError(f"settings {names!r}")
    if "power_limit_w" in names and not (type(limit) is int and limit > 0):
        raise ValueError(f"a power limit of {limit!r} mW")
    values = {field.name: told[field.name] for field in fields(Journal)}
    return Journal(**{**values, "settings": tuple(names)})


def remove(folder: Path, uuid: str) -> None:
    """Drop a GPU's journal: nothing is left to restore.

    Should it come back after a power cut, it has `outlived` its use.
    """
    journal_path(folder, uuid).unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    """Have the names in a folder on disk, not only in memory."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def lock(folder: Path, uuid: str) -> int:
    """Take a GPU for this process and return the open file that holds it.

    Raises `UserError` where another tuner has it.
    """
    path = journal_path(folder, uuid).with_suffix(".lock")
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise _unwritable(folder, error) from None
    end = time.monotonic() + _PATIENCE_S
    while not _try_lock(handle):
        owner = os.pread(handle, 20, 0).decode()
        if _runs(owner) or time.monotonic() > end:
            os.close(handle)
            raise UserError(
                f"{uuid} is controlled by another tuner (process {owner}). Wait until it has "
                "ended, or end it: it restores the GPU."
            )
        time.sleep(0.05)
    os.ftruncate(handle, 0)
    os.pwrite(handle, str(os.getpid()).encode(), 0)
    return handle


@contextlib.contextmanager
def locked(folder: Path, uuid: str) -> Iterator[None]:
    """Hold a GPU for a while. Raises `UserError` where another tuner has it."""
    handle = lock(folder, uuid)
    try:
        yield
    finally:
        os.close(handle)


def is_locked(folder: Path, uuid: str) -> bool:
    """Whether a tuner that runs, or its watchdog, has a GPU."""
    try:
        handle = os.open(journal_path(folder, uuid).with_suffix(".lock"), os.O_RDWR)
    except OSError:
        return False
    try:
        return not _try_lock(handle)
    finally:
        os.close(handle)


def _try_lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _runs(pid: str) -> bool:
    return pid.isdigit() and Path("/proc", pid).exists()


def _unwritable(folder: Path, error: OSError) -> UserError:
    return UserError(
        f"The journal of the GPUs' settings cannot be kept in {folder}: {error.strerror}. Nothing "
        "was changed. Set XDG_STATE_HOME to a folder that can be written."
    )
