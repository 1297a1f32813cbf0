"""Control over the clocks and the power limit of GPUs, for a while."""

from __future__ import annotations

import atexit
import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

from tuner.errors import UserError
from tuner.hardware.gpus import controllable, nvml
from tuner.hardware.journal import (
    SETTINGS,
    Journal,
    journal_path,
    lock,
    remove,
    state_folder,
    write,
)
from tuner.hardware.recovery import PERMISSION, restore_locked
from tuner.hardware.settings import Refused, apply_setting, read_settings, restore_settings
from tuner.measure import EngineFailure

_PACKAGE_ROOT = Path(__file__).parents[2]
_WATCHDOG_STARTS_S = 60.0
_WATCHDOG_ENDS_S = 60.0


class HardwareRefused(EngineFailure):
    """The driver refused a setting in mid-run: this configuration failed, not the tuner."""

    def __init__(self, message: str) -> None:
        super().__init__("refused", message)


def _say(words: str) -> None:
    print(f"tune: {words}", file=sys.stderr)


class GpuControl:
    """Sets GPUs' clocks and power limit, and sets them back however this process ends.

    What a GPU was set to is on disk before the first change. It is restored when the `with` block
    is left, at the end of the interpreter, on SIGTERM, SIGHUP or SIGINT where they would end the
    process unasked (handlers that are there already unwind by themselves), and otherwise by a
    watchdog child. What was locked before NVML does not tell: `gpu_clock_mhz` and
    `memory_clock_mhz`, where they are among `settings`, begin and end not locked.

    Args:
        settings: what will be set, out of `SETTINGS`; nothing else is touched.
        uuids: the GPUs; None for those in CUDA_VISIBLE_DEVICES, or all.
        folder: where the journals are; None for the user's state folder.
        say: told, in sentences, what a user should know.

    """

    def __init__(
        self,
        settings: Collection[str],
        *,
        uuids: Sequence[str] | None = None,
        folder: Path | None = None,
        say: Callable[[str], None] = _say,
    ) -> None:
        for name in settings:
            _check_name(name)
        self._settings = tuple(name for name in SETTINGS if name in settings)
        self._uuids = uuids
        self._folder = state_folder(folder)
        self._say = say
        self._gpus: dict[str, Any] = {}
        self._before: dict[str, Journal] = {}
        self._in_force: dict[str, float] = {}
        self._locks: list[int] = []
        self._watchdog: subprocess.Popen[bytes] | None = None
        self._undo: contextlib.ExitStack | None = None
        self._owner = os.getpid()
        self._mutex = threading.RLock()

    @property
    def uuids(self) -> tuple[str, ...]:
        """The GPUs under control."""
        return tuple(self._gpus)

    def __enter__(self) -> Self:
        """Take control.

        Raises `UserError` where there is no such GPU, another tuner has it, an earlier journal
        cannot be restored, or the driver does not let this user change it.
        """
        self._locks, self._before, self._in_force = [], {}, {}
        with contextlib.ExitStack() as undo, self._mutex:
            undo.enter_context(nvml())
            self._gpus = controllable(self._uuids)
            for uuid in sorted(self._gpus):
                self._locks.append(lock(self._folder, uuid))
                undo.callback(os.close, self._locks[-1])
            for uuid in self._gpus:
                if words := restore_locked(self._folder, uuid):
                    self._say(words)
            self._start_watchdog()
            undo.callback(self._end_watchdog)
            undo.callback(self._restore)
            self._begin()
            undo.callback(self._listen())
            self._undo = undo.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Set everything back, as `close` does."""
        self.close()

    def apply(self, hardware: Mapping[str, object]) -> Mapping[str, float]:
        """Bring settings into force on all GPUs; 0 or no value is as it was found.

        Returns the values of all settings under control. Raises `UserError` where a value can be
        none, and `HardwareRefused` with the driver's words where it does not set it.
        """
        wanted = dict.fromkeys(self._settings, 0.0)
        for name, value in hardware.items():
            number = _check_value(name, value)
            if name in wanted:
                wanted[name] = number
            elif number:
                raise UserError(f"{name}={number:g}: only {', '.join(wanted)} may be changed here.")
        with self._mutex:
            if self._undo is None:
                raise RuntimeError("the control over the GPUs has ended")
            if self._watchdog is None or self._watchdog.poll() is not None:
                self._say("The watchdog that restores the GPUs was gone; there is a new one.")
                self._start_watchdog()
            for name, number in wanted.items():
                self._set(name, number)
            return dict(wanted)

    def close(self) -> None:
        """Set everything back and give control up. May be called twice.

        Raises `UserError` where a GPU could not be set back: its journal stays.
        """
        if self._owner != os.getpid():  # a fork of the owner
            return
        with self._mutex:
            undo, self._undo = self._undo, None
            if undo is None:
                return
            undo.close()
            if left := [u for u in self._gpus if journal_path(self._folder, u).exists()]:
                raise UserError(
                    f"{', '.join(left)} could not be set back to what it was. `tune gpu restore` "
                    "tries again and says why."
                )

    def _begin(self) -> None:
        """Have on disk what there is to restore, then set everything to where it is.

        The latter shows whether the driver lets us, before anything runs.
        """
        try:
            for uuid, handle in self._gpus.items():
                self._before[uuid] = read_settings(handle, uuid, self._settings)
            for before in self._before.values():
                write(self._folder, before)
            for name in self._settings:
                for uuid, handle in self._gpus.items():
                    apply_setting(handle, self._before[uuid], name, 0)
        except (Refused, UserError) as error:
            for name in self._gpus:  # nothing was changed, so nothing is to be restored
                remove(self._folder, name)
            if isinstance(error, UserError):
                raise
            remedy = f"{PERMISSION}, or leave" if error.forbidden else "Leave"
            raise UserError(
                f"{uuid} cannot be controlled: {error}. {remedy} its settings alone."
            ) from None
        self._in_force = dict.fromkeys(self._settings, 0.0)

    def _set(self, name: str, number: float) -> None:
        if self._in_force.pop(name, None) != number:
            for uuid, handle in self._gpus.items():
                try:
                    apply_setting(handle, self._before[uuid], name, number)
                except Refused as refusal:
                    raise HardwareRefused(f"{uuid}: {refusal}") from None
        self._in_force[name] = number

    def _restore(self) -> None:
        for uuid, before in self._before.items():
            if journal_path(self._folder, uuid).exists():
                with contextlib.suppress(Refused, OSError):  # the watchdog tries again
                    restore_settings(before)
                    remove(self._folder, uuid)

    def _start_watchdog(self) -> None:
        path = os.pathsep.join(filter(None, (str(_PACKAGE_ROOT), os.environ.get("PYTHONPATH"))))
        module = [sys.executable, "-P", "-m", "tuner.hardware.watchdog"]
        child = subprocess.Popen(
            [*module, str(os.getpid()), str(self._folder), *self._gpus],
            env={**os.environ, "PYTHONPATH": path},
            pass_fds=self._locks,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        if child.stdout is None:
            raise AssertionError
        answered = select.select([child.stdout], [], [], _WATCHDOG_STARTS_S)[0]
        words = child.stdout.readline().decode().strip() if answered else "no answer"
        self._end_watchdog()
        self._watchdog = child
        if words != "ready":
            self._end_watchdog()
            raise UserError(
                "The watchdog that restores the GPUs does not start, so they are left alone: "
                f"{words or f'status {child.returncode}'}."
            )

    def _end_watchdog(self) -> None:
        child, self._watchdog = self._watchdog, None
        if child is None or child.stdin is None or child.stdout is None:
            return
        with contextlib.suppress(OSError):
            child.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(_WATCHDOG_ENDS_S)
        child.stdout.close()

    def _listen(self) -> Callable[[], None]:
        """Restore also when the process ends otherwise; returns what takes that back."""
        atexit.register(self._close_quietly)
        heard = []
        if threading.current_thread() is threading.main_thread():
            numbers = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
            heard = [n for n in numbers if signal.getsignal(n) == signal.SIG_DFL]
        for number in heard:
            signal.signal(number, self._on_signal)

        def forget() -> None:
            atexit.unregister(self._close_quietly)
            for number in heard:
                if signal.getsignal(number) == self._on_signal:
                    signal.signal(number, signal.SIG_DFL)

        return forget

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        """Restore, and then end as the signal would have ended the process."""
        self._close_quietly()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    def _close_quietly(self) -> None:
        with contextlib.suppress(UserError):
            self.close()


def _check_name(name: str) -> None:
    if name not in SETTINGS:
        raise UserError(f"{name} is nothing that can be set on a GPU: {', '.join(SETTINGS)} are.")


def _check_value(name: str, value: object) -> float:
    _check_name(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e6:
        raise UserError(f"{name}={value!r} is no number that a GPU can be set to; 0 leaves it.")
    return float(value)
