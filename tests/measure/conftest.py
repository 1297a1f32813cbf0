"""An NVIDIA driver and a powercap tree that a test writes down."""

from __future__ import annotations

import os
import time

import pytest

from tuner.measure.meters import MeterStatus, rapl


class Driver:
    """What the fake driver says; may change while a meter runs."""

    def __init__(self, path):
        self._path = path
        self.init = 0
        self.boards = {}

    def board(self, uuid="GPU-aaaa", **changes):
        first = {
            "watts": 300.0,
            "tick_ms": 20.0,
            "counter": 0,
            "power": 0,
            "instant": 0,
            "mig": -1,
            "throttle": 0,
            "processes": 0,
            "offset_mj": 1e9,
        }
        self.boards[uuid] = {**self.boards.get(uuid, first), **changes}
        lines = [f"{self.init} {len(self.boards)}"]
        lines += [f"{uuid} {' '.join(map(str, b.values()))}" for uuid, b in self.boards.items()]
        new = self._path.with_suffix(".new")
        new.write_text("\n".join(lines))
        new.rename(self._path)


@pytest.fixture
def driver(fake_nvml, tmp_path, monkeypatch):
    """A driver without boards; the machine's own RAPL, if it has any, is not seen."""
    monkeypatch.setattr(rapl, "status", lambda: MeterStatus("RAPL", False, "hidden"))
    # The library reads the environment of the process, which monkeypatch changes too.
    path = tmp_path / "state"
    os.environ["FAKE_NVML"] = str(path)
    os.environ["FAKE_NVML_EPOCH"] = str(time.monotonic() - 1000)
    saved = os.environ.pop("CUDA_VISIBLE_DEVICES", None)
    yield Driver(path)
    for name in ("FAKE_NVML", "FAKE_NVML_EPOCH", "CUDA_VISIBLE_DEVICES"):
        os.environ.pop(name, None)
    if saved is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = saved


@pytest.fixture
def powercap(tmp_path):
    """A powercap tree with two packages, beside what includes or mirrors them."""

    def zone(name, label, uj, range_uj=262_143_328_850):
        folder = tmp_path / "powercap" / name
        folder.mkdir(parents=True)
        for file, text in (
            ("name", label),
            ("energy_uj", uj),
            ("max_energy_range_uj", range_uj),
        ):
            (folder / file).write_text(f"{text}\n")

    zone("intel-rapl:0", "package-0", 1_000_000)
    zone("intel-rapl:0:0", "core", 500_000)
    zone("intel-rapl:1", "package-1", 262_143_000_000)
    zone("intel-rapl:2", "psys", 9_000_000)
    zone("intel-rapl-mmio:0", "package-0", 1_000_000)
    return tmp_path / "powercap"


@pytest.fixture
def gpu_and_packages(driver, powercap, monkeypatch):
    """The driver, on a machine whose RAPL is the powercap tree."""
    monkeypatch.setattr(rapl, "status", lambda: MeterStatus("RAPL", True, ""))
    monkeypatch.setattr(rapl, "RaplMeter", lambda make=rapl.RaplMeter: make(powercap))
    return driver
