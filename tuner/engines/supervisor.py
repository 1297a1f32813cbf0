"""Starts a program, and ends it with all its descendants when told to or when the tuner dies.

Run as a script of its own with nothing but the standard library. It leads a session, and therefore
the process group, of the program. What this starts stays below it, whatever sessions and
groups are made there: it adopts orphans (`PR_SET_CHILD_SUBREAPER`, prctl(2)).
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
_POLL_S = 0.05


def main() -> None:
    """`supervisor.py FD GRACE_S MEMORY_BYTES PROGRAM...`: run a program until the socket closes."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    grace_s, memory_bytes, argv = float(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _stay)  # a handler is not inherited, other than SIG_IGN
    if memory_bytes:
        resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    try:
        program = subprocess.Popen(argv, stdin=subprocess.DEVNULL)
    except OSError as error:
        _tell(channel, {"error": str(error)})
        return
    with contextlib.suppress(OSError):  # if anything has to go for want of memory, then the program
        Path(f"/proc/{program.pid}/oom_score_adj").write_text("1000")
    _tell(channel, {"pid": program.pid})
    threading.Thread(target=_report_end, args=(program, channel), daemon=True).start()
    while channel.recv(1024):
        pass
    _end(program, grace_s)


def _stay(*_: object) -> None:
    """Do nothing about a signal."""


def _tell(channel: socket.socket, words: dict[str, object]) -> None:
    with contextlib.suppress(OSError):
        channel.sendall(json.dumps(words).encode() + b"\n")


def _report_end(program: subprocess.Popen[bytes], channel: socket.socket) -> None:
    _tell(channel, {"status": program.wait()})


def _end(program: subprocess.Popen[bytes], grace_s: float) -> None:
    """Ask the group to end, wait, then kill whatever is left of it and of its offspring."""
    os.killpg(0, signal.SIGTERM)
    end = time.monotonic() + grace_s
    while program.poll() is None and time.monotonic() < end:
        time.sleep(_POLL_S)
    for _ in range(100):
        left = _descendants()
        if not left:
            return
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_POLL_S)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _descendants() -> list[int]:
    """Processes below this one that have not ended yet."""
    children: dict[int, list[int]] = {}
    ended = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            children.setdefault(int(parent), []).append(int(entry.name))
            if state in "ZX":
                ended.add(int(entry.name))
    found, seen = [], [os.getpid()]
    while seen:
        below = children.get(seen.pop(), [])
        seen += below
        found += [pid for pid in below if pid not in ended]
    return found


if __name__ == "__main__":
    main()
