"""Journals that were left over, by a tuner that was killed together with its watchdog."""

from __future__ import annotations

from pathlib import Path

from tuner.errors import UserError
from tuner.hardware.gpus import nvml
from tuner.hardware.journal import (
    Journal,
    is_locked,
    journal_path,
    locked,
    read,
    remove,
    state_folder,
)
from tuner.hardware.settings import WORDS, Refused, restore_settings

PERMISSION = "Run it as root; in a container, with the capability SYS_ADMIN"


def left_over(folder: Path | None = None) -> tuple[Journal, ...]:
    """The journals of GPUs that nobody set back and nobody controls now.

    Raises `UserError` where one cannot be read.
    """
    return _journals(state_folder(folder), in_use=False)


def under_control(folder: Path | None = None) -> tuple[Journal, ...]:
    """The journals of GPUs that a tuner controls now. Raises `UserError` as `left_over` does."""
    return _journals(state_folder(folder), in_use=True)


def _journals(folder: Path, *, in_use: bool) -> tuple[Journal, ...]:
    paths = [p for p in sorted(folder.glob("*.json")) if is_locked(folder, p.stem) == in_use]
    return tuple(journal for journal in map(read, paths) if journal is not None)


def restore(journal: Journal, folder: Path | None = None) -> str:
    """Set a GPU back as its left-over journal says, drop the journal, and say what was done.

    Raises `UserError` where another tuner has the GPU, or where the driver refuses: then the
    journal stays.
    """
    home = state_folder(folder)
    with locked(home, journal.uuid):
        return restore_locked(home, journal.uuid) or f"{journal.uuid} was restored meanwhile."


def restore_locked(folder: Path, uuid: str) -> str:
    """Restore a GPU whose lock is held, and say what was done: nothing where it has no journal."""
    path = journal_path(folder, uuid)
    before = read(path)
    if before is None:
        return ""
    if before.outlived:
        remove(folder, uuid)
        return (
            f"{uuid}: the machine was started anew since process {before.pid} changed its "
            "settings, which undid that. The journal was removed."
        )
    try:
        with nvml():
            restore_settings(before)
    except Refused as refusal:
        remedy = (
            f"{PERMISSION}."
            if refusal.forbidden
            else f"Remove {path} if the board is gone for good."
        )
        raise UserError(
            f"{uuid} could not be set back to what it was on {before.began}: {refusal}. {remedy}"
        ) from None
    remove(folder, uuid)
    return (
        f"{uuid} ({before.name}), changed by process {before.pid}, was set back: "
        f"{described(before)}."
    )


def described(before: Journal) -> str:
    """What a journal restores, in words."""
    parts = [
        f"power limit {(before.power_limit_mw or 0) / 1e3:g} W as before"
        if name == "power_limit_w"
        else f"{WORDS[name]} no longer locked"
        for name in before.settings
    ]
    return ", ".join(parts) or "nothing"
