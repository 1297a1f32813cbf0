"""Every meter keeps the contract, and the meters that go together are added up."""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from meter_contract import MeterContract
from scripted_engine import ScriptedEngine, arguments, task
from test_zeus import Monitor

from tuner.errors import UserError
from tuner.measure import (
    CombinedMeter,
    EnergyProvenance,
    Measurement,
    MeasurementProtocol,
    Memory,
    Metering,
    Reading,
    TurnTaking,
    best_meter,
    measure,
)
from tuner.measure.meters import CpuTimeMeter, RaplMeter, zeus
from tuner.measure.meters.nvml import open_meter

QUICK = MeasurementProtocol(idle_seconds=0.05, max_repeats=3, max_quantisation_rel=1.0)
NOT_SUPPORTED, LOST = 3, 15


def advance(powercap, package, microjoules):
    """Let a package use so much more."""
    counter = powercap / f"intel-rapl:{package}" / "energy_uj"
    counter.write_text(f"{int(counter.read_text()) + microjoules}\n")


BURN = """
import sys, time

for _ in sys.stdin:
    end = time.process_time() + 0.002
    while time.process_time() < end:
        pass
    print(flush=True)
"""


class TestCpuTime(MeterContract):
    """Of another process: this one also spends CPU time on reading the meter."""

    @pytest.fixture
    def meter(self):
        command = [sys.executable, "-c", BURN]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
        with subprocess.Popen(command, **pipes) as self.process:
            self.pids = (self.process.pid,)
            self.spend()  # it has started
            yield CpuTimeMeter(lambda: self.pids)

    def spend(self):
        self.process.stdin.write("\n")
        self.process.stdout.readline()

    def lose(self):
        self.pids = ()


class TestRapl(MeterContract):
    @pytest.fixture
    def meter(self, powercap):
        self.powercap = powercap
        return RaplMeter(powercap)

    def spend(self):
        time.sleep(0.002)
        advance(self.powercap, 0, 20_000)

    def lose(self):
        (self.powercap / "intel-rapl:0" / "energy_uj").unlink()


class TestNvmlCounter(MeterContract):
    board = ("tick_ms", 2.0)

    @pytest.fixture
    def meter(self, driver):
        self.driver = driver
        driver.board(**dict([self.board]))
        meter = open_meter()
        yield meter
        meter.close()

    def spend(self):
        time.sleep(0.02)

    def lose(self):
        self.driver.board(counter=LOST, power=LOST)


class TestNvmlPower(TestNvmlCounter):
    board = ("counter", NOT_SUPPORTED)


class TestZeus(MeterContract):
    @pytest.fixture
    def meter(self):
        self.monitor = Monitor(gpus=[1.5])
        return zeus.ZeusMeter(self.monitor)

    def spend(self):
        time.sleep(0.001)

    def lose(self):
        self.monitor.error = RuntimeError("device gone")


class TestGpuAndPackages(MeterContract):
    @pytest.fixture
    def meter(self, gpu_and_packages, powercap):
        gpu_and_packages.board(tick_ms=2.0)
        self.powercap = powercap
        meter = best_meter(lambda: (), "cuda")
        yield meter
        meter.close()

    def spend(self):
        time.sleep(0.02)
        advance(self.powercap, 0, 20_000)

    def lose(self):
        (self.powercap / "intel-rapl:0" / "energy_uj").unlink()


class Fixed:
    """A meter whose windows are written down."""

    def __init__(self, scope, joules=1.0, source="plug", problems=(), limits=None):
        self.scope, self.source, self.limits = scope, source, limits
        self.joules, self.problems = itertools.cycle([joules]), problems
        self.parameters, self.calls, self.closed = {}, [], False

    def start(self):
        self.calls.append("start")
        self.began = time.perf_counter()

    def stop(self):
        self.calls.append("stop")
        seconds = time.perf_counter() - self.began
        return Reading(seconds, next(self.joules), 0.01, self.problems, {self.scope: 1.0})

    def power_limits(self):
        return self.limits

    def close(self):
        self.closed = True


def test_gpu_boards_and_cpu_packages_are_metered_together_and_added(gpu_and_packages, powercap):
    gpu_and_packages.board(tick_ms=5.0)
    engine = ScriptedEngine({"a": {"settings": {"gpus": ["GPU-aaaa"]}, "request_s": 0.01}})
    engine.device = "cuda"
    run = engine.run

    def run_and_use_packages(requests, **how):
        advance(powercap, 0, 4_000_000)
        advance(powercap, 1, 2_000_000)
        return run(requests, **how)

    engine.run = run_and_use_packages
    protocol = replace(QUICK, idle_seconds=0.0, max_cv=100.0)  # whatever else runs here
    with Metering() as metering:
        measurement = measure(engine, metering, arguments(), task(), protocol)
    energy = measurement.energy
    assert energy.energy_source == "nvml_counter+rapl"
    assert energy.energy_scope == "gpu:GPU-aaaa + package-0, package-1"
    gpu, packages = energy.parts
    assert (gpu.scope, gpu.source) == ("gpu:GPU-aaaa", "nvml_counter")
    assert (packages.scope, packages.source) == ("package-0, package-1", "rapl")
    assert packages.joules == pytest.approx(6.0)
    ticks = energy.energy_quantisation_rel * (gpu.joules + packages.joules)
    assert gpu.joules == pytest.approx(300 * energy.window_s, abs=ticks + 1e-3)
    metrics = measurement.metrics
    assert metrics["energy_j"].value == pytest.approx(gpu.joules + packages.joules)
    assert metrics["joules_per_request"].value == pytest.approx(metrics["energy_j"].value / 12)
    assert metrics["joules_per_request"].source == "nvml_counter+rapl"
    assert measurement.validity == "valid"
    assert Measurement.from_dict(measurement.to_dict()) == measurement


def test_a_gpu_alone_is_metered_where_packages_cannot_be_read(driver):
    driver.board()
    assert best_meter(lambda: (), "cuda").source == "nvml_counter"


def test_a_gpu_that_cannot_be_metered_is_an_estimate_although_packages_can(gpu_and_packages):
    gpu_and_packages.board(mig=1)
    meter = best_meter(lambda: (), "cuda")
    assert meter.source == "estimated"
    assert "not the GPU" in meter.scope


@pytest.mark.parametrize(
    ("monitor", "source"),
    [
        (Monitor(gpus=[1.5]), "zeus+rapl"),
        (Monitor(soc=type("Jetson", (), {"total_energy_mj": 1000})), "zeus"),
    ],
)
def test_packages_are_added_to_the_gpus_of_zeus_but_not_to_a_whole_chip(
    gpu_and_packages, monkeypatch, monitor, source
):
    monkeypatch.setattr(zeus, "status", lambda: zeus.MeterStatus("Zeus", True, ""))
    monkeypatch.setattr(zeus, "ZeusMeter", lambda make=zeus.ZeusMeter: make(monitor))
    assert best_meter(lambda: (), "cuda", gpus=["GPU-none"]).source == source


def test_meters_of_the_user_are_read_together_whatever_the_engine_runs_on():
    plug, fan = Fixed("plug", 3.0), Fixed("fan", 0.5, source="shunt")
    engine = ScriptedEngine()
    engine.device = "elsewhere"
    with Metering([plug, fan]) as metering:
        assert metering.sees_energy_of(engine)
        measurement = measure(engine, metering, arguments(), task(), QUICK)
    assert measurement.metrics["energy_j"].value == pytest.approx(3.5)
    assert measurement.energy.energy_source == "plug+shunt"
    assert [part.joules for part in measurement.energy.parts] == [3.0, 0.5]
    assert plug.calls.count("start") == plug.calls.count("stop") > 3
    assert not plug.closed  # who made it closes it
    assert not Metering().sees_energy_of(engine)


def test_a_single_meter_is_the_only_part():
    with Metering([Fixed("plug", 3.0)]) as metering:
        energy = measure(ScriptedEngine(), metering, arguments(), task(), QUICK).energy
    (part,) = energy.parts
    assert (part.scope, part.source, part.joules) == ("plug", "plug", 3.0)


def test_every_window_has_the_parts_of_its_meters():
    both = [Fixed("plug", 3.0), Fixed("fan", 0.5)]
    turns = TurnTaking(ScriptedEngine(), Metering(both), task(), QUICK)
    for name in "ab":
        measurement = turns.window(name, arguments(name), range(12), seed=0)
        assert measurement.metrics["energy_j"].value == pytest.approx(3.5)
        assert [part.joules for part in measurement.energy.parts] == [3.0, 0.5]


def test_there_is_no_sum_where_one_meter_fails():
    broken = Fixed("fan", None, problems=("the fan's meter is gone",))
    with Metering([Fixed("plug"), broken]) as metering:
        measurement = measure(ScriptedEngine(), metering, arguments(), task(), QUICK)
    assert "energy_j" not in measurement.metrics
    assert measurement.energy is None
    assert "the fan's meter is gone" in measurement.reasons
    meter = CombinedMeter([Fixed("plug"), broken])
    meter.start()
    reading = meter.stop()
    assert [part.joules for part in reading.parts] == [1.0, None]


@pytest.mark.parametrize("joules", [0.0, -1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("others", [(), ("plug",)])
def test_joules_that_cannot_be_are_no_energy_and_said(joules, others):
    meters = [Fixed("fan", joules), *map(Fixed, others)]
    measurement = measure(ScriptedEngine(), Metering(meters), arguments(), task(), QUICK)
    assert measurement.failure is None
    assert "energy_j" not in measurement.metrics
    assert "mean_e2el_ms" in measurement.metrics
    assert measurement.validity == "suspect"
    assert f"fan (plug) read {joules:g} J, which is no energy" in measurement.reasons


def test_the_window_of_a_meter_that_was_open_longer_counts_as_an_error():
    class Waits(Fixed):
        def start(self):
            time.sleep(0.05)
            super().start()

    meter = CombinedMeter([Fixed("early"), Waits("late")])
    meter.start()
    time.sleep(0.05)
    reading = meter.stop()
    assert reading.joules == 2.0
    assert reading.seconds >= 0.05
    early, late = reading.seconds + 0.05, reading.seconds
    assert reading.quantisation_rel >= 0.01 + (early / late - 1) / 2


def test_meters_are_started_in_order_and_stopped_in_the_opposite_one():
    order = []

    class Noted(Fixed):
        def start(self):
            order.append(f"start {self.scope}")
            super().start()

        def stop(self):
            order.append(f"stop {self.scope}")
            return super().stop()

    meter = CombinedMeter([Noted("a"), Noted("b")])
    meter.start()
    assert meter.stop().details == {"a": 1.0, "b": 1.0}
    assert order == ["start a", "start b", "stop b", "stop a"]


def test_limits_add_up_where_all_are_known():
    known = [Fixed("a", limits=(1.0, 10.0)), Fixed("b", limits=(0.5, 5.0))]
    assert CombinedMeter(known).power_limits() == (1.5, 15.0)
    assert CombinedMeter([*known, Fixed("c")]).power_limits() is None


@pytest.mark.parametrize(
    ("meters", "words"),
    [
        ([Fixed("gpu:GPU-a"), Fixed("process tree", source="estimated")], "is an estimate"),
        ([Fixed("gpu:GPU-a, gpu:GPU-b"), Fixed("gpu:GPU-b")], "two meters read gpu:GPU-b"),
        ([], "no meter"),
    ],
)
def test_meters_that_do_not_go_together_are_refused(meters, words):
    with pytest.raises(UserError, match=words):
        CombinedMeter(meters)
    if meters:
        with pytest.raises(UserError, match=words):
            Metering(meters)


@pytest.mark.parametrize("resumed", [False, True])
@pytest.mark.parametrize("first", ["estimated", "plug"])
def test_measured_and_estimated_energies_never_stand_beside_one_another(first, resumed):
    other = {"estimated": "plug", "plug": "estimated"}[first]
    memory = Memory()

    def measured(source):
        metering = Metering([Fixed("x", source=source)])
        return measure(ScriptedEngine(), metering, arguments(), task(), QUICK, memory=memory)

    before = measured(first)
    if resumed:
        memory = Memory([Measurement.from_dict(before.to_dict())])
    mixed = measured(other)
    assert not {"energy_j", "joules_per_request", "avg_power_w"} & set(mixed.metrics)
    assert mixed.energy is None
    assert mixed.validity == "suspect"
    assert any("the two are not compared" in reason for reason in mixed.reasons)
    assert "energy_j" in measured(first).metrics


def test_a_record_from_before_there_were_parts_can_be_read():
    old = {
        "energy_source": "rapl",
        "energy_scope": "package-0",
        "energy_quantisation_rel": 0.0,
        "window_s": 1.0,
        "parameters": {},
    }
    assert EnergyProvenance.from_dict(old).parts == ()
