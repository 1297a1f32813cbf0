"""What this machine tells about a server's processes: ports, memory, GPUs."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from tuner.measure.meters import process_tree

_FORWARDERS = {
    "caddy",
    "docker-proxy",
    "envoy",
    "haproxy",
    "kubectl",
    "nginx",
    "rootlesskit",
    "rootlessport",
    "slirp4netns",
    "socat",
    "ssh",
    "traefik",
}


def free_port() -> int:
    """A TCP port of 127.0.0.1 on which nobody listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_local(url: str) -> bool:
    """Whether an address is on this machine."""
    return urlsplit(url).hostname in ("localhost", "127.0.0.1", "::1")


def listener(url: str) -> int | None:
    """The process that listens on a port of this machine; None where it cannot be seen.

    What only passes requests on, into a container or to another machine, does not count.
    """
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            address = connection.laddr
            if address and connection.status == psutil.CONN_LISTEN and address.port == port:
                return None if _passes_on(connection.pid) else connection.pid
    return None


def _passes_on(pid: int | None) -> bool:
    return pid is not None and psutil.Process(pid).name() in _FORWARDERS


def reset_peaks(pids: Sequence[int]) -> bool:
    """Let the kernel begin anew with the largest resident set of each process; tell if it could."""
    processes = process_tree(pids)
    try:
        for process in processes:
            Path(f"/proc/{process.pid}/clear_refs").write_text("5")  # proc(5)
    except OSError:
        return False
    return bool(processes)


def peak_memory(pids: Sequence[int]) -> int | None:
    """The sum of the processes' largest resident sets since `reset_peaks`; None where unknown."""
    total = 0
    for process in process_tree(pids):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    total += int(line.split()[1]) * 1024
    return total or None


def device() -> str:
    """`cuda` where NVML finds a GPU that is not hidden from programs, else `cpu`."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    return "cuda" if not hidden and _gpu_users() else "cpu"


def gpus_of(pids: Sequence[int]) -> list[str]:
    """UUIDs of the GPUs on which the processes are; empty where that cannot be seen."""
    members = {process.pid for process in process_tree(pids)}
    return sorted(uuid for uuid, users in _gpu_users().items() if members & users)


def _gpu_users() -> dict[str, set[int]]:
    """For each GPU the processes that compute on it."""
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:
        return {}
    found = {}
    try:
        for i in range(pynvml.nvmlDeviceGetCount()):
            handle = pynvml.nvmlDeviceGetHandleByIndex(i)
            uuid = pynvml.nvmlDeviceGetUUID(handle)
            users: set[int] = set()
            with contextlib.suppress(pynvml.NVMLError):
                processes = pynvml.nvmlDeviceGetComputeRunningProcesses(handle)
                users = {process.pid for process in processes}
            found[str(uuid)] = users
    except pynvml.NVMLError:
        return {}
    finally:
        with contextlib.suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()
    return found
