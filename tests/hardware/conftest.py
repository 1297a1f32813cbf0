"""The fake driver, for this process and for those that it starts."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from fake_gpus import Boards


@pytest.fixture(scope="session")
def fake_library(tmp_path_factory):
    """Folder with a libnvidia-ml.so.1 that is loaded here."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    if Path("/proc/driver/nvidia").exists():
        pytest.skip("there is a real NVIDIA driver, whose GPUs these tests would change")
    folder = tmp_path_factory.mktemp("nvml")
    path = folder / "libnvidia-ml.so.1"
    source = Path(__file__).parents[1] / "measure" / "fake_nvml.c"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-o", path, source, "-Wl,-soname,libnvidia-ml.so.1"],
        check=True,
    )
    ctypes.CDLL(str(path))  # once it is loaded, loading it by name finds it
    return folder


@pytest.fixture
def boards(fake_library, tmp_path, monkeypatch):
    """A machine without boards; no process that was started in it may outlive the test."""
    boards = Boards(tmp_path)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("CUDA_DEVICE_ORDER", raising=False)
    # monkeypatch sets what C sees too.
    for name, value in boards.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LD_LIBRARY_PATH", str(fake_library))
    yield boards
    end = time.monotonic() + 30
    while boards.processes() and time.monotonic() < end:
        time.sleep(0.02)
    left = boards.processes()
    for pid in left:
        os.kill(pid, 9)
    assert not left
