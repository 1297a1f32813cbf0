"""The fake driver, for this process and for those that it starts."""

from __future__ import annotations

import os
import time

import pytest
from fake_gpus import Boards


@pytest.fixture
def boards(fake_nvml, tmp_path, monkeypatch):
    """A machine without boards; no process that was started in it may outlive the test."""
    boards = Boards(tmp_path)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("CUDA_DEVICE_ORDER", raising=False)
    # monkeypatch sets what C sees too.
    for name, value in boards.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LD_LIBRARY_PATH", str(fake_nvml))
    yield boards
    end = time.monotonic() + 30
    while boards.processes() and time.monotonic() < end:
        time.sleep(0.02)
    left = boards.processes()
    for pid in left:
        os.kill(pid, 9)
    assert not left
