"""CPU time, its estimate of energy, and RAPL on a written-down machine."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tuner.measure import best_meter, probe_meters
from tuner.measure.meters import CpuTimeMeter, RaplMeter, cpu_seconds, rapl

BURN = """
import subprocess, sys, threading, time

def burn():
    while time.thread_time() < 0.1:
        pass

threads = [threading.Thread(target=burn) for _ in range(2)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
theirs = 0.0
if sys.argv[1] == "parent":
    command = [sys.executable, sys.argv[0], "child"]
    ended = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    alive = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    theirs = float(ended.stdout) + float(alive.stdout.readline())
print(time.process_time() + theirs, flush=True)
sys.stdin.read()
"""


def test_cpu_time_is_that_of_all_threads_and_descendants(tmp_path):
    program = tmp_path / "burn.py"
    program.write_text(BURN)
    command = [sys.executable, program, "parent"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        said = float(process.stdout.readline())
        seen = cpu_seconds([process.pid])
        process.stdin.close()
    assert said >= 0.6  # three processes with two threads of 0.1 s
    assert said - 0.03 <= seen <= said + 0.3


def test_the_estimate_is_watts_times_cpu_seconds_and_says_so():
    meter = CpuTimeMeter(lambda: (os.getpid(),), watts_per_core=10.0)
    assert meter.source == "estimated"
    assert meter.parameters == {"watts_per_core": 10.0}
    before = cpu_seconds([os.getpid()])
    meter.start()
    sum(i * i for i in range(300_000))
    reading = meter.stop()
    used = cpu_seconds([os.getpid()]) - before
    assert 0 < reading.joules <= 10 * used


def test_processes_that_are_gone_use_nothing_and_have_no_energy():
    process = subprocess.Popen(["true"])
    process.wait()
    assert cpu_seconds([process.pid]) == 0
    meter = CpuTimeMeter(lambda: (process.pid,))
    meter.start()
    assert meter.stop().joules is None


def advance(powercap, zone, uj):
    (powercap / zone / "energy_uj").write_text(f"{uj}\n")


def test_packages_are_summed_once_and_without_what_includes_or_mirrors_them(powercap):
    meter = RaplMeter(powercap)
    assert meter.scope == "package-0, package-1"
    meter.start()
    advance(powercap, "intel-rapl:0", 3_500_000)
    advance(powercap, "intel-rapl:1", 262_144_000_000 - 500_000)
    for other in ("intel-rapl:0:0", "intel-rapl:2", "intel-rapl-mmio:0"):
        advance(powercap, other, 10**11)
    reading = meter.stop()
    assert reading.joules == pytest.approx(2.5 + 0.5)
    assert 0 < reading.quantisation_rel <= 1


def test_a_counter_that_wraps_around_goes_on(powercap):
    meter = RaplMeter(powercap)
    meter.start()
    advance(powercap, "intel-rapl:1", 671_150)  # 1 J later, of which 0.32885 J up to the end
    assert meter.stop().joules == pytest.approx(1.0)


def test_a_counter_that_stands_still_or_is_lost_gives_no_energy(powercap):
    meter = RaplMeter(powercap)
    meter.start()
    reading = meter.stop()
    assert reading.joules is None
    assert "stood still" in reading.problems[0]
    meter.start()
    (powercap / "intel-rapl:0" / "energy_uj").unlink()
    reading = meter.stop()
    assert reading.joules is None
    assert "was lost" in reading.problems[0]


def test_a_window_in_which_a_counter_may_wrap_twice_is_refused(powercap):
    (powercap / "intel-rapl:0" / "max_energy_range_uj").write_text("1\n")
    meter = RaplMeter(powercap)
    meter.start()
    advance(powercap, "intel-rapl:0", 1_000_001)
    reading = meter.stop()
    assert reading.joules is None
    assert "wrapped around" in reading.problems[0]


def test_what_rapl_lacks_is_explained_with_the_remedy(powercap, tmp_path, monkeypatch):
    assert rapl.status(powercap).available
    assert not rapl.status(tmp_path / "absent").available
    assert "virtual machines" in rapl.status(tmp_path / "absent").detail

    def forbidden(package):
        raise PermissionError(13, "Permission denied", str(package.counter))

    monkeypatch.setattr(rapl.Package, "read_uj", forbidden)  # root may read everything
    status = rapl.status(powercap)
    assert not status.available
    assert "only root may read" in status.detail
    assert "sudo chmod a+r" in status.remedy


def test_there_is_always_a_meter_and_a_status_for_each_kind():
    assert best_meter(lambda: (os.getpid(),)).source in ("rapl", "estimated")
    names = [status.name for status in probe_meters()]
    assert len(names) == len(set(names)) == 4
    assert probe_meters()[-1].available
