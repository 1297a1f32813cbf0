"""The child's side of `tuner.engines.worker`: take requests, answer them, end with the parent."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import signal
import socket
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tuner.measure.measurement import Cause

_BEAT_S = 0.1


class WrongOutputError(Exception):
    """The engine ran, but what it gave is no answer."""


class Channel:
    """The child's end of the socket."""

    def __init__(self, fd: int) -> None:
        self._socket = socket.socket(fileno=fd)
        self._lines = self._socket.makefile("rb")
        self._last_beat = 0.0
        self._told_to_stop = False
        threading.Thread(target=_end_with_parent, args=(fd,), daemon=True).start()

    def beat(self) -> bool:
        """Tell that work goes on, and whether it should; cheap enough for every token."""
        now = time.monotonic()
        if now - self._last_beat > _BEAT_S:
            self._last_beat = now
            self._send({"alive": True})
            self._told_to_stop |= bool(select.select([self._socket], [], [], 0)[0])
        return not self._told_to_stop

    def serve(
        self,
        operations: Mapping[str, Callable[..., Any]],
        classify_failure: Callable[[Exception], Cause],
    ) -> None:
        """Answer requests `{"op": name, **arguments}` until the socket closes."""
        for line in self._lines:
            request = json.loads(line)
            if request["op"] == "stop":  # nobody asks anything else before the answer is there
                continue
            self._told_to_stop = False
            try:
                reply = {"result": operations[request.pop("op")](**request)}
            except Exception as error:
                words = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
                reply = {"cause": classify_failure(error), "message": words}
            self._send(reply)
        _end_group()

    def _send(self, reply: Mapping[str, Any]) -> None:
        try:
            self._socket.sendall(json.dumps(reply).encode() + b"\n")
        except OSError:  # the parent has gone
            _end_group()


def limit_memory(limit_bytes: int | None) -> None:
    """Make allocations beyond the limit fail here, rather than starve the machine."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    if limit_bytes is not None:
        resource.setrlimit(resource.RLIMIT_DATA, (limit_bytes, limit_bytes))


def _end_with_parent(fd: int) -> None:
    """Wait until the other end of the socket is closed, which it is when the parent is killed."""
    poller = select.poll()
    poller.register(fd, select.POLLRDHUP)
    poller.poll()
    _end_group()


def _end_group() -> None:
    """End this process with all that it started."""
    os.killpg(0, signal.SIGKILL)
