"""A program in a process group of its own, which never outlives the tuner, nor do its children."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from typing import IO, Any

from tuner.engines import supervisor
from tuner.engines.worker import oom_kills
from tuner.errors import UserError

_LONGEST_LOG = 200_000


class SupervisedProcess:
    """A running program, its log, and the supervisor that ends both it and its offspring.

    Args:
        argv: the program and its arguments; no shell sees them.
        environment: added to this process's environment.
        grace_s: from the request to end until it is killed.
        memory_bytes: of private memory for each of its processes; None sets no limit.
        output: where its standard output goes; None for the log.

    Raises:
        UserError: there is no such program.

    """

    def __init__(
        self,
        argv: Sequence[str],
        environment: Mapping[str, str],
        *,
        grace_s: float,
        memory_bytes: int | None = None,
        output: IO[bytes] | None = None,
    ) -> None:
        self._words: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (the finalizer closes it)
        ours, theirs = socket.socketpair()
        numbers = (str(theirs.fileno()), str(grace_s), str(memory_bytes or 0))
        with theirs:
            self._supervisor = subprocess.Popen(
                [sys.executable, "-I", "-S", supervisor.__file__, *numbers, *argv],
                env={**os.environ, **environment},
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=output or self._words,
                stderr=self._words,
                start_new_session=True,
            )
        self._socket, self._buffer = ours, b""
        self._status: int | None = None
        self._oom_kills = oom_kills()
        self._finalizer = weakref.finalize(self, _end, self._supervisor, ours, self._words, grace_s)
        first = self._reply()
        if "pid" not in first:
            self.close()
            words = first.get("error", "its supervisor did not start")
            raise cannot_be_started(argv[0], words)
        self.pid: int = first["pid"]
        ours.setblocking(False)

    def status(self) -> int | None:
        """How it ended, as `subprocess` tells it; None while it runs."""
        if self._status is None and self._finalizer.alive:
            with contextlib.suppress(BlockingIOError):
                self._status = self._reply().get("status", -signal.SIGKILL)
        return self._status

    def wait(self, limit_s: float) -> int | None:
        """How it ended, as soon as it does; None where it still runs after so long."""
        if self.status() is None:
            poller = select.poll()
            poller.register(self._socket, select.POLLIN)
            poller.poll(limit_s * 1000)
        return self.status()

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._finalizer.alive and self.status() is None

    @property
    def killed_for_memory(self) -> bool:
        """Whether the kernel seems to have ended it for want of memory."""
        return self.status() == -signal.SIGKILL and oom_kills() > self._oom_kills

    def log(self) -> str:
        """The end of what it has written so far."""
        if not self._finalizer.alive:
            return ""
        # `pread`, because the processes write with the same offset in the file
        size = os.fstat(self._words.fileno()).st_size
        start = max(0, size - _LONGEST_LOG)
        return os.pread(self._words.fileno(), _LONGEST_LOG, start).decode(errors="replace")

    def close(self) -> None:
        """End it and everything that it started; may be called twice."""
        self._finalizer()

    def _reply(self) -> dict[str, Any]:
        """The supervisor's next message, empty once it is gone; BlockingIOError without one."""
        while b"\n" not in self._buffer:
            data = self._socket.recv(1024)
            if not data:
                return {}
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        reply: dict[str, Any] = json.loads(line)
        return reply


def cannot_be_started(program: str, why: str) -> UserError:
    """What a user is told of a program that does not start at all."""
    return UserError(
        f"{program} cannot be started ({why}); install it, or name the command to start it with"
    )


def _end(
    process: subprocess.Popen[bytes],
    channel: socket.socket,
    words: IO[bytes],
    grace_s: float,
) -> None:
    with contextlib.suppress(OSError):
        channel.shutdown(socket.SHUT_RDWR)
    channel.close()
    try:
        process.wait(grace_s + 10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)  # only if its supervisor was killed
    words.close()
