"""GPU meters: the real pynvml against a driver that the test writes down."""

from __future__ import annotations

import itertools
import math
import os
import threading
import time

import pytest

from tuner.measure import IdlePower, best_meter, probe_meters
from tuner.measure.meters.nvml import open_meter
from tuner.measure.meters.nvml_gpus import NoMeterError

NOT_SUPPORTED, NO_PERMISSION, LOST = 3, 4, 15


def meter_for(seconds, meter):
    meter.start()
    time.sleep(seconds)
    reading = meter.stop()
    meter.close()
    return reading


@pytest.mark.parametrize("tick_ms", [5.0, 100.0])
def test_the_counter_is_right_within_the_error_that_it_states(driver, tick_ms):
    driver.board(tick_ms=tick_ms)
    meter = open_meter()
    assert meter.source == "nvml_counter"
    assert meter.scope == "gpu:GPU-aaaa"
    for _ in range(3):
        reading = meter_for(0.25, meter)
        truth = 300 * reading.seconds
        assert abs(reading.joules - truth) <= reading.quantisation_rel * reading.joules + 1e-6
        assert reading.quantisation_rel >= 0.9 * tick_ms / 1e3 / (reading.seconds + tick_ms / 1e3)
        assert reading.problems == ()
        assert reading.details["temperature_c"] == 55


@pytest.mark.parametrize("instant", [0, NOT_SUPPORTED])
def test_power_is_summed_where_there_is_no_counter(driver, instant):
    driver.board(counter=NOT_SUPPORTED, instant=instant)
    meter = open_meter()
    assert meter.source == "nvml_power"
    assert meter.parameters["instant"] == (instant == 0)
    reading = meter_for(0.3, meter)
    assert reading.joules == pytest.approx(300 * reading.seconds, rel=1e-6)
    assert 0 < reading.quantisation_rel <= 1


def test_how_often_power_is_new_is_found_at_the_start(driver):
    driver.board(counter=NOT_SUPPORTED)
    over = threading.Event()

    def move():
        for i in itertools.count():
            driver.board(watts=300.0 + i)
            if over.wait(0.04):
                return

    thread = threading.Thread(target=move)
    thread.start()
    try:
        update_s = open_meter().parameters["update_s"]
    finally:
        over.set()
        thread.join()
    assert 0.01 <= update_s < 0.1
    driver.board(watts=300.0)
    assert open_meter().parameters["update_s"] == 0.1  # it stands still, so nobody knows
    driver.board(instant=NOT_SUPPORTED)
    assert open_meter().parameters["update_s"] == 1.0


def test_power_is_summed_where_the_counter_stands_still(driver):
    driver.board(tick_ms=1e9)
    assert open_meter().source == "nvml_power"


def test_the_gpus_in_use_are_summed_and_no_others(driver):
    driver.board("GPU-aaaa", watts=100.0)
    driver.board("GPU-bbbb", watts=200.0)
    driver.board("GPU-cccc", watts=400.0)
    both = open_meter(["GPU-aaaa", "GPU-cccc"])
    assert both.scope == "gpu:GPU-aaaa, gpu:GPU-cccc"
    reading = meter_for(0.5, both)
    assert reading.joules == pytest.approx(500 * reading.seconds, rel=0.1)
    os.environ["CUDA_VISIBLE_DEVICES"] = "1"
    assert open_meter().scope == "gpu:GPU-bbbb"
    os.environ["CUDA_VISIBLE_DEVICES"] = "GPU-cc,0"
    assert open_meter().scope == "gpu:GPU-cccc, gpu:GPU-aaaa"
    with pytest.raises(NoMeterError, match="knows no GPU GPU-dddd"):
        open_meter(["GPU-dddd"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"offset_mj": 0.0}, "went back"),
        ({"counter": LOST, "power": LOST}, "lost"),
    ],
)
def test_a_window_in_which_the_counter_fails_has_no_energy(driver, change, words):
    driver.board()
    meter = open_meter()
    meter.start()
    driver.board(**change)
    reading = meter.stop()
    assert reading.joules is None
    assert words in reading.problems[0]


def test_a_window_in_which_power_fails_has_no_energy(driver):
    driver.board(counter=NOT_SUPPORTED)
    meter = open_meter()
    driver.board(power=LOST)
    reading = meter_for(0.1, meter)
    assert reading.joules is None
    assert "GPU is lost" in reading.problems[0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"throttle": 0x40}, "throttled (hardware thermal slowdown)"),
        ({"processes": 3}, "3 processes share GPU-aaaa"),
    ],
)
def test_what_makes_a_window_doubtful_is_said(driver, change, words):
    driver.board(**change)
    reading = meter_for(0.05, open_meter())
    assert reading.joules > 0
    assert any(words in problem for problem in reading.problems)


def test_what_happens_in_the_middle_of_a_window_is_seen(driver):
    driver.board()
    meter = open_meter()
    meter.start()
    driver.board(throttle=0x20 | 0x04, processes=2)
    time.sleep(0.7)
    driver.board(throttle=0, processes=0)
    reading = meter.stop()
    assert any("thermal slowdown" in problem for problem in reading.problems)
    assert 0 < reading.details["throttled"] < 1
    assert 0 < reading.details["power_capped"] < 1
    assert reading.details["processes"] == 2
    assert meter_for(0.05, meter).problems == ()


@pytest.mark.parametrize(
    ("change", "words", "remedy"),
    [
        ({"mig": 1}, "MIG", "without MIG"),
        ({"counter": NO_PERMISSION, "power": NO_PERMISSION}, "may not read", "allow it"),
        ({"counter": NOT_SUPPORTED, "power": NOT_SUPPORTED}, "neither energy nor power", ""),
    ],
)
def test_gpus_that_cannot_be_metered_say_why(driver, change, words, remedy):
    driver.board(**change)
    status = probe_meters()[0]
    assert not status.available
    assert words in status.detail
    assert remedy in status.remedy
    meter = best_meter(lambda: (), "cuda")
    assert meter.source == "estimated"
    assert "not the GPU" in meter.scope


def test_a_driver_that_does_not_answer_is_no_meter(driver):
    status = probe_meters()[0]
    assert not status.available
    assert "Driver Not Loaded" in status.detail


def test_the_probe_tells_what_works(driver):
    driver.board()
    status = probe_meters()[0]
    assert status.available
    assert "GPU-aaaa" in status.detail
    assert "energy counter" in status.detail
    assert best_meter(lambda: (), "cuda").source == "nvml_counter"
    low, high = best_meter(lambda: (), "cuda").power_limits()
    assert (low, high) == (0, pytest.approx(770))
    assert math.isfinite(high)


def test_a_measurement_on_a_gpu_has_metered_energy_gross_and_net(driver):
    from scripted_engine import ScriptedEngine, arguments, task

    from tuner.measure import MeasurementProtocol, Metering, measure

    driver.board(tick_ms=5.0)
    engine = ScriptedEngine({"a": {"in_force": {"gpus": ("GPU-aaaa",)}, "request_s": 0.01}})
    engine.device = "cuda"
    protocol = MeasurementProtocol(idle_seconds=0.1, max_repeats=3, max_quantisation_rel=0.5)
    phases = []
    measurement = measure(engine, Metering(), arguments(), task(), protocol, on_phase=phases.append)
    assert IdlePower() in phases
    metrics = measurement.metrics
    assert measurement.energy.energy_source == "nvml_counter"
    assert measurement.energy.energy_scope == "gpu:GPU-aaaa"
    assert metrics["energy_j"].source == metrics["energy_net_j"].source == "nvml_counter"
    assert metrics["avg_power_w"].value == pytest.approx(300, rel=0.2)
    assert abs(metrics["energy_net_j"].value) < 0.3 * metrics["energy_j"].value
    assert [window["temperature_c"] for window in measurement.in_force.details["windows"]] == [
        55,
        55,
        55,
    ]
    assert measurement.validity == "valid"


def test_a_gpu_lost_in_the_middle_is_named_and_the_next_measurement_works(driver):
    from scripted_engine import ScriptedEngine, arguments, task

    from tuner.measure import MeasurementProtocol, Metering, measure

    driver.board(tick_ms=5.0)

    def lose(run):
        if run == 2:
            driver.board(counter=LOST, power=LOST)

    on_gpu = {"in_force": {"gpus": ("GPU-aaaa",)}, "request_s": 0.01}
    engine = ScriptedEngine({"a": {**on_gpu, "fail": lose}, "b": on_gpu})
    engine.device = "cuda"
    protocol = MeasurementProtocol(idle_seconds=0.0, max_repeats=3, max_quantisation_rel=1.0)
    lost = measure(engine, Metering(), arguments("a"), task(), protocol)
    assert "joules_per_request" not in lost.metrics
    assert lost.energy is None
    assert lost.validity == "suspect"
    assert any("the GPU was lost while metering" in reason for reason in lost.reasons)
    driver.board(counter=0, power=0)
    found = measure(engine, Metering(), arguments("b"), task(), protocol)
    assert found.validity == "valid"
    assert found.metrics["joules_per_request"].value > 0
