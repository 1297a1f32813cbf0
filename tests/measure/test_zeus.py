"""Zeus meters what neither NVML nor RAPL can: its GPUs or its chip, each joule once."""

from __future__ import annotations

import importlib.util
from types import SimpleNamespace

import pytest

from tuner.measure import best_meter
from tuner.measure.meters import rapl, zeus

needs_zeus = pytest.mark.skipif(
    importlib.util.find_spec("zeus") is None, reason="needs the package zeus"
)


class Monitor:
    """What `zeus.monitor.ZeusMonitor` has, with readings written down beforehand."""

    def __init__(self, gpus=(), soc=None, error=None):
        self.gpu_indices = list(range(len(gpus)))
        self.soc_is_present = soc is not None
        self.soc = soc
        self.gpus, self.error, self.open = gpus, error, False

    def begin_window(self, key, sync_execution=True, restart=False):
        assert not sync_execution  # the engine is another process
        self.open = True

    def end_window(self, key, sync_execution=True):
        assert self.open
        if self.error:
            raise self.error
        return SimpleNamespace(gpu_energy=dict(enumerate(self.gpus)), soc_energy=self.soc)


def reading(monitor):
    meter = zeus.ZeusMeter(monitor)
    meter.start()
    return meter.stop()


APPLE = SimpleNamespace(
    cpu_total_mj=1000, efficiency_cores_mj=[400, 600], gpu_mj=2000, dram_mj=500, ane_mj=None
)
JETSON = SimpleNamespace(cpu_energy_mj=1000, gpu_energy_mj=2000, total_energy_mj=3500)


@pytest.mark.parametrize(
    ("monitor", "joules"),
    [
        (Monitor(gpus=[1.5, 2.5]), 4.0),
        (Monitor(gpus=[1.5], soc=JETSON), 1.5),
        (Monitor(soc=APPLE), 3.5),
        (Monitor(soc=JETSON), 3.5),
        (Monitor(soc=SimpleNamespace(cpu_energy_mj=1000, gpu_energy_mj=None)), 1.0),
    ],
)
def test_every_joule_counts_once(monitor, joules):
    assert reading(monitor).joules == pytest.approx(joules)


@pytest.mark.parametrize(
    "monitor",
    [
        Monitor(gpus=[0.0]),
        Monitor(soc=SimpleNamespace()),
        Monitor(gpus=[1.0], error=RuntimeError("device gone")),
    ],
)
def test_what_was_not_read_is_none_with_a_reason(monitor):
    seen = reading(monitor)
    assert seen.joules is None
    assert seen.problems


def test_nothing_to_meter_is_no_meter():
    with pytest.raises(LookupError, match="finds no GPU"):
        zeus.ZeusMeter(Monitor())


def test_it_is_used_where_nothing_else_works(monkeypatch):
    monkeypatch.setattr(rapl, "POWERCAP", rapl.Path("/nonexistent"))
    monkeypatch.setattr(zeus, "status", lambda: zeus.MeterStatus("Zeus", True, ""))
    monkeypatch.setattr(zeus, "ZeusMeter", lambda make=zeus.ZeusMeter: make(Monitor(gpus=[1.0])))
    if not rapl.status().available:
        assert best_meter(lambda: (), "cpu").source == "zeus"
    assert best_meter(lambda: (), "cuda", gpus=["GPU-none"]).source == "zeus"


def test_a_missing_package_is_named_with_its_remedy(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    status = zeus.status()
    assert not status.available
    assert "pip install" in status.remedy


@needs_zeus
def test_the_real_package_says_what_it_finds():
    status = zeus.status()
    assert status.available or "finds no GPU" in status.detail
    from zeus.monitor import ZeusMonitor

    monitor = ZeusMonitor(gpu_indices=[], cpu_indices=[])
    assert hasattr(monitor, "soc_is_present")
    monitor.begin_window("x", sync_execution=False, restart=True)
    window = monitor.end_window("x", sync_execution=False)
    assert window.gpu_energy == {}
