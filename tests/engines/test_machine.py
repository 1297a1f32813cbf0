"""What the machine tells about processes: who listens, how much memory, on which GPUs."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from types import SimpleNamespace

import pytest

from tuner.engines.serving import machine


def test_whoever_listens_on_a_port_is_found():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        assert machine.listener(url) is None
        listening.listen()
        assert machine.listener(url) == os.getpid()
    assert machine.listener(url) is None


def test_a_free_port_can_be_taken():
    with socket.socket() as server:
        server.bind(("127.0.0.1", machine.free_port()))


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://localhost:8000", True),
        ("http://127.0.0.1", True),
        ("http://[::1]:1/v1", True),
        ("https://localhost.example.org", False),
        ("http://10.0.0.1:8000", False),
    ],
)
def test_addresses_of_this_machine(url, local):
    assert machine.is_local(url) is local


def test_the_largest_memory_is_that_since_the_reset():
    program = (
        "import sys\n"
        "x = bytearray(200_000_000); del x\n"
        "print('before', flush=True); sys.stdin.readline()\n"
        "x = bytearray(100_000_000); del x\n"
        "print('after', flush=True); sys.stdin.readline()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    )
    with process:
        process.stdout.readline()
        assert machine.peak_memory([process.pid]) > 200_000_000
        if not machine.reset_peaks([process.pid]):
            pytest.skip("the kernel does not let peaks be reset here")
        assert machine.peak_memory([process.pid]) < 100_000_000
        process.stdin.write("\n")
        process.stdout.readline()
        assert 100_000_000 < machine.peak_memory([process.pid]) < 200_000_000
        process.stdin.write("\n")
    assert machine.peak_memory([process.pid]) is None
    assert machine.reset_peaks([process.pid]) is False


def test_gpus_are_those_on_which_the_processes_and_their_children_are(monkeypatch):
    child = SimpleNamespace(pid=11)
    monkeypatch.setattr(machine, "process_tree", lambda pids: [SimpleNamespace(pid=10), child])
    users = {"GPU-a": {1, 11}, "GPU-b": {2}, "GPU-c": set()}
    monkeypatch.setattr(machine, "_gpu_users", lambda: users)
    assert machine.gpus_of([10]) == ["GPU-a"]
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert machine.device() == "cuda"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert machine.device() == "cpu"
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.setattr(machine, "_gpu_users", dict)
    assert machine.gpus_of([10]) == []
    assert machine.device() == "cpu"
