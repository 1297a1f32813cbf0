"""Fixtures that several rooms share."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import time
import uuid
from pathlib import Path

import psutil
import pytest

_MARK = "TUNER_TEST_SESSION"

SLOWEST_FILES = (
    "run/test_tuning_a_server.py",
    "hardware/test_gpu_kill.py",
    "test_whole.py",
    "engines/test_backend_contract.py",
    "spaces/test_transformers_serve_runs.py",
)
"""They begin first: a file is run by one worker, and the last one to begin decides the end."""


def pytest_collection_modifyitems(items):
    """Put the slowest files first (with `--no-loadscope-reorder`, else xdist orders them)."""
    root = Path(__file__).parent

    def rank(item):
        name = item.path.as_posix().removeprefix(f"{root.as_posix()}/")
        return SLOWEST_FILES.index(name) if name in SLOWEST_FILES else len(SLOWEST_FILES)

    items.sort(key=rank)


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left_over():
    """At the end of all tests no process is alive that any of them started."""
    os.environ[_MARK] = mark = uuid.uuid4().hex
    yield
    end = time.monotonic() + 10
    while (left := _started_here(mark)) and time.monotonic() < end:
        time.sleep(0.1)
    assert not left, f"left over: {left}"


def _started_here(mark: str) -> list[str]:
    """Processes with the mark in their environment, as every descendant has it."""
    found = []
    for process in psutil.process_iter():
        try:
            ours = process.environ().get(_MARK) == mark and process.pid != os.getpid()
            if ours and process.status() != psutil.STATUS_ZOMBIE:
                command = " ".join(process.cmdline())
                # Python's own helper ends with this process.
                if "resource_tracker" not in command:
                    found.append(f"{process.pid} {command}")
        except psutil.Error:
            continue
    return found


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    """Folder of an untrained Llama of 0.3 million parameters: real, only ignorant."""
    import torch

    from tuner.builtin_models.architecture import SIZES, build_model
    from tuner.builtin_models.tokens import build_tokenizer

    folder = tmp_path_factory.mktemp("models") / "tiny"
    torch.manual_seed(0)
    build_model(SIZES["small"]).save_pretrained(folder)
    build_tokenizer().save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def fake_nvml(tmp_path_factory):
    """Folder with the NVIDIA driver's library as tests write it down; it is loaded here."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    if Path("/proc/driver/nvidia").exists():
        pytest.skip("there is a real NVIDIA driver, which would be read and changed instead")
    folder = tmp_path_factory.mktemp("nvml")
    path = folder / "libnvidia-ml.so.1"
    source = Path(__file__).with_name("fake_nvml.c")
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-o", path, source, "-Wl,-soname,libnvidia-ml.so.1"],
        check=True,
    )
    ctypes.CDLL(str(path))  # once it is loaded, loading it by name finds it
    return folder
