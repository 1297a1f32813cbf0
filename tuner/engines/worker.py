"""A child process that answers requests, one at a time, and leaves nothing behind.

Requests and replies are JSON lines over a socket pair. The child leads a process group of its own,
and ends that group when the socket closes: also when the parent was killed without a chance to
clean up. A child that breaks, hangs or runs out of memory is ended and reported as an
`EngineFailure`; the caller starts another one.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tuner.measure import EngineFailure, InterruptedRun, KeepGoing

_PACKAGE_ROOT = Path(__file__).resolve().parents[2]
_MEMORY_WORDS = re.compile(
    r"bad_alloc|cannot allocate memory|out of memory|can't allocate memory|MemoryError",
    re.IGNORECASE,
)
_LONGEST_MESSAGE = 2000
_LOOK_S = 0.1
"""How often it is asked whether to go on."""
_STOP_S = 2.0
"""How long a child may take to give up what it does where there is no time; then it is ended."""


@dataclass(frozen=True)
class WorkerLimits:
    """What a child process may use before it is ended.

    Attributes:
        load_s: for bringing a configuration into force, loading included.
        run_s: for one call of `run`.
        silence_s: without a token while it runs; then it hangs.
        memory_bytes: of private memory, enforced by the kernel (RLIMIT_DATA); None sets the
            limit to what is free when the child starts, and none with a GPU.

    """

    load_s: float = 600.0
    run_s: float = 900.0
    silence_s: float = 120.0
    memory_bytes: int | None = None


class Worker:
    """A running `python -m module fd`, where `fd` is its end of the socket.

    Args:
        module: what runs in the child; it calls `serve` of `tuner.engines.worker_side`.
        environment: added to this process's environment.

    """

    def __init__(self, module: str, environment: Mapping[str, str]) -> None:
        self._socket, theirs = socket.socketpair()
        self._words: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (the finalizer closes it)
        self._oom_kills = oom_kills()
        path = os.pathsep.join(filter(None, (str(_PACKAGE_ROOT), os.environ.get("PYTHONPATH"))))
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", module, str(theirs.fileno())],
                env={**os.environ, "PYTHONPATH": path, **environment},
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=self._words,
                stderr=self._words,
                start_new_session=True,
            )
        self._buffer = b""
        self._finalizer = weakref.finalize(self, _end, self._process, self._socket, self._words)

    @property
    def pid(self) -> int:
        """Its process id, which is its process group's too."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return self._finalizer.alive and self._process.poll() is None

    def call(
        self,
        request: Mapping[str, Any],
        *,
        limit_s: float,
        silence_s: float,
        keep_going: KeepGoing | None = None,
        can_stop: bool = False,
    ) -> Any:
        """Send a request and wait for the answer.

        Args:
            request: plain JSON types.
            limit_s: for the whole call.
            silence_s: between two signs of life.
            keep_going: once it says no, the child is told to stop; once it raises `InterruptedRun`,
                one that does not stop soon is ended.
            can_stop: whether the child heeds that during this request. Otherwise it is ended.

        Raises:
            InterruptedRun: the child was ended.
            EngineFailure: with the cause that the child names, or `hang`, `crash` or
                `out_of_memory` where it could name none; then the child is ended.
        """
        deadline = time.monotonic() + limit_s
        told_to_stop = hurried = False
        try:
            self._socket.settimeout(min(limit_s, silence_s))
            self._socket.sendall(json.dumps(request).encode() + b"\n")
            while True:
                try:
                    reply = self._receive(deadline, silence_s, keep_going, told_to_stop)
                except InterruptedRun:
                    reply, keep_going, hurried = None, None, True
                    deadline, silence_s = time.monotonic() + _STOP_S, _STOP_S
                if reply is None and not can_stop:
                    raise InterruptedRun
                if reply is None and not told_to_stop:
                    self._socket.sendall(b'{"op": "stop"}\n')
                    told_to_stop = True
                elif reply is not None and "alive" not in reply:
                    break
        except InterruptedRun:
            self.close()
            raise
        except TimeoutError:
            late = time.monotonic() >= deadline
            self.close()
            if hurried:
                raise InterruptedRun from None
            raise EngineFailure(
                "hang",
                f"{request['op']}: no answer within {limit_s:g} s"
                if late
                else f"{request['op']}: no sign of life for {silence_s:g} s",
            ) from None
        except (EOFError, OSError):
            raise self._post_mortem() from None
        if "cause" in reply:
            if reply["cause"] not in ("refused", "wrong_output"):
                self.close()
            raise EngineFailure(reply["cause"], shorten(reply["message"]))
        return reply["result"]

    def close(self) -> None:
        """End its whole process group; may be called twice."""
        self._finalizer()

    def _receive(
        self,
        deadline: float,
        silence_s: float,
        keep_going: KeepGoing | None,
        told_to_stop: bool,
    ) -> dict[str, Any] | None:
        """The child's next message; None where it is to be told to stop."""
        silent_until = time.monotonic() + silence_s
        while b"\n" not in self._buffer:
            if keep_going is not None and not keep_going() and not told_to_stop:
                return None
            left = min(deadline, silent_until) - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._socket.settimeout(left if keep_going is None else min(left, _LOOK_S))
            try:
                data = self._socket.recv(1 << 16)
            except TimeoutError:
                continue
            if not data:
                raise EOFError
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        reply: dict[str, Any] = json.loads(line)
        return reply

    def _post_mortem(self) -> EngineFailure:
        """End what is left of a child that broke, and say what it died of."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        status = self._process.poll()
        words = self._error_excerpt()
        killed_for_memory = status == -signal.SIGKILL and oom_kills() > self._oom_kills
        self.close()
        how = (
            f"killed by signal {-status} ({signal.Signals(-status).name})"
            if status is not None and status < 0
            else f"ended with status {status}"
        )
        if killed_for_memory or _MEMORY_WORDS.search(words):
            return EngineFailure("out_of_memory", shorten(f"{how}: {words}"))
        return EngineFailure("crash", shorten(f"{how}: {words}" if words else how))

    def _error_excerpt(self) -> str:
        size = self._words.seek(0, os.SEEK_END)
        self._words.seek(max(0, size - _LONGEST_MESSAGE))
        return self._words.read().decode(errors="replace").strip()


def shorten(text: str) -> str:
    """The end of a long message, where exceptions say what happened."""
    return text if len(text) <= _LONGEST_MESSAGE else "... " + text[-_LONGEST_MESSAGE:]


def _end(process: subprocess.Popen[bytes], channel: socket.socket, words: IO[bytes]) -> None:
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    channel.close()
    words.close()


def oom_kills() -> int:
    """How many processes the kernel has killed for want of memory since it started."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            name, _, count = line.partition(" ")
            if name == "oom_kill":
                return int(count)
    return 0
