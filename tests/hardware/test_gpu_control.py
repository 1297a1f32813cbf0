"""Setting GPUs: what is set, what is refused, and that all is as it was afterwards."""

from __future__ import annotations

import itertools
import json
import os
import threading
import time

import psutil
import pynvml
import pytest
from fake_gpus import FREE

from tuner.errors import UserError
from tuner.hardware import (
    SETTINGS,
    GpuControl,
    HardwareRefused,
    domains,
    left_over,
    supported,
    under_control,
)
from tuner.hardware import journal as journals
from tuner.measure import EngineFailure

INVALID, NOT_SUPPORTED, NO_PERMISSION, LOST = 2, 3, 4, 15
FULL = {"gpu_clock_mhz": 1410, "memory_clock_mhz": 1593, "power_limit_w": 200}


def test_settings_come_into_force_and_go_back_to_what_was_not_to_the_vendors_default(boards):
    before = boards.add(limit=350_000, vendor=400_000)
    with GpuControl(SETTINGS) as gpu:
        assert gpu.apply(FULL) == FULL
        now = boards["GPU-aaaa"]
        assert (now.gpu, now.memory, now.limit) == ((1410, 1410), (1593, 1593), 200_000)
        assert gpu.apply({"gpu_clock_mhz": 345}) == {
            "gpu_clock_mhz": 345,
            "memory_clock_mhz": 0,
            "power_limit_w": 0,
        }
        now = boards["GPU-aaaa"]
        assert (now.gpu, now.memory, now.limit) == ((345, 345), FREE, 350_000)
        gpu.apply(FULL)
    assert boards["GPU-aaaa"] == before
    assert not list(boards.journals.glob("*.json"))
    assert boards.watchdogs() == []


def test_boards_with_limits_of_their_own_each_get_their_own_back(boards):
    boards.add("GPU-aaaa", limit=350_000)
    boards.add("GPU-bbbb", limit=275_000)
    before = boards.all()
    with GpuControl(["power_limit_w"]) as gpu:
        gpu.apply({"power_limit_w": 150})
        assert {board.limit for board in boards.all().values()} == {150_000}
        gpu.apply({})
        assert boards.all() == before
        gpu.apply({"power_limit_w": 120})
    assert boards.all() == before


def test_what_is_not_under_control_is_never_touched(boards):
    before = boards.add(
        gpu=(1200, 1500), memory=(1593, 1593), persistence=0, gpu_code=NOT_SUPPORTED
    )
    with GpuControl(["power_limit_w"]) as gpu:
        gpu.apply({"power_limit_w": 300, "gpu_clock_mhz": 0})
        with pytest.raises(UserError, match=r"gpu_clock_mhz=1410: only power_limit_w"):
            gpu.apply({"power_limit_w": 310, "gpu_clock_mhz": 1410})
        now = boards["GPU-aaaa"]
        assert (now.gpu, now.memory, now.persistence) == ((1200, 1500), (1593, 1593), 0)
        assert now.limit == 300_000
    assert boards["GPU-aaaa"] == before


def test_only_the_gpus_that_cuda_may_see_are_controlled(boards, monkeypatch):
    for uuid in ("GPU-aaaa", "GPU-bbbb", "GPU-cccc"):
        boards.add(uuid)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-cc,0")
    with GpuControl(["power_limit_w"]) as gpu:
        assert set(gpu.uuids) == {"GPU-aaaa", "GPU-cccc"}
        gpu.apply({"power_limit_w": 150})
        assert [board.limit for board in boards.all().values()] == [150_000, 350_000, 150_000]
    with GpuControl(["power_limit_w"], uuids=["GPU-bbbb"]) as gpu:
        assert gpu.uuids == ("GPU-bbbb",)


def test_numbers_are_no_names_where_boards_differ(boards, monkeypatch):
    boards.add("GPU-aaaa")
    boards.add("GPU-bbbb")
    names = iter(["Big", "Small"] * 9)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetName", lambda handle: next(names))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    with pytest.raises(UserError, match="CUDA_DEVICE_ORDER=PCI_BUS_ID"):
        supported()
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    assert [gpu.uuid for gpu in supported()] == ["GPU-bbbb"]


def test_before_the_first_change_what_was_is_on_disk(boards, monkeypatch):
    boards.add("GPU-aaaa", limit=350_000)
    boards.add("GPU-bbbb", limit=275_000, persistence=0)
    synced, seen = [], []

    def sync(handle):
        synced.append(os.readlink(f"/proc/self/fd/{handle}"))

    def watched(name):
        real = getattr(pynvml, name)

        def setter(*arguments):
            seen.append(
                {path.stem: json.loads(path.read_text()) for path in boards.journals.glob("*.json")}
            )
            return real(*arguments)

        monkeypatch.setattr(pynvml, name, setter)

    monkeypatch.setattr(os, "fsync", sync)
    for name in (
        "nvmlDeviceSetPowerManagementLimit",
        "nvmlDeviceSetGpuLockedClocks",
        "nvmlDeviceResetGpuLockedClocks",
        "nvmlDeviceSetMemoryLockedClocks",
        "nvmlDeviceResetMemoryLockedClocks",
    ):
        watched(name)
    with GpuControl(SETTINGS):
        pass
    first = seen[0]
    assert {uuid: told["power_limit_mw"] for uuid, told in first.items()} == {
        "GPU-aaaa": 350_000,
        "GPU-bbbb": 275_000,
    }
    assert [told["persistence_mode"] for told in first.values()].count(False) == 1
    assert all(told["locked_clocks"].startswith("unknown") for told in first.values())
    assert all(set(told["settings"]) == set(SETTINGS) for told in first.values())
    for uuid in first:
        at = synced.index(str(boards.journals / f"{uuid}.new"))
        assert synced[at + 1] == str(boards.journals)


@pytest.mark.parametrize(
    ("refusal", "settings", "words"),
    [
        ({"power_code": NO_PERMISSION}, SETTINGS, ["Insufficient Permissions", "root"]),
        ({"gpu_code": NO_PERMISSION}, SETTINGS, ["graphics clocks", "root", "SYS_ADMIN"]),
        ({"memory_code": NOT_SUPPORTED}, SETTINGS, ["memory clocks", "Not Supported"]),
        ({"mig": 1}, SETTINGS, ["MIG", "whole board"]),
        ({}, ["fan_speed"], ["fan_speed", "power_limit_w"]),
    ],
)
def test_what_cannot_be_controlled_is_refused_at_the_start(boards, refusal, settings, words):
    boards.add("GPU-aaaa")
    before = boards.add("GPU-bbbb", **refusal)
    with pytest.raises(UserError) as caught, GpuControl(settings):
        pass
    assert all(word in str(caught.value) for word in words)
    assert boards["GPU-bbbb"] == before
    assert not list(boards.journals.glob("*.json"))


def test_a_machine_without_driver_or_gpu_says_so(boards, monkeypatch):
    with pytest.raises(UserError, match="Driver Not Loaded"):
        supported()
    boards.add()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(UserError, match="CUDA_VISIBLE_DEVICES"):
        supported()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-1234")
    with pytest.raises(UserError, match="MIG"):
        supported()


@pytest.mark.parametrize(
    ("code", "words"),
    [(INVALID, "Invalid Argument"), (LOST, "GPU is lost"), (NO_PERMISSION, "Perm")],
)
def test_what_the_driver_refuses_in_mid_run_is_a_failure_of_that_configuration(boards, code, words):
    before = boards.add()
    with GpuControl(SETTINGS) as gpu:
        gpu.apply(FULL)
        boards.change(gpu_code=code)
        with pytest.raises(HardwareRefused, match=words) as caught:
            gpu.apply({"gpu_clock_mhz": 345})
        assert isinstance(caught.value, EngineFailure)
        assert caught.value.cause == "refused"
        boards.change(gpu_code=0)
        gpu.apply(FULL)
        assert boards["GPU-aaaa"].gpu == (1410, 1410)
    assert boards["GPU-aaaa"] == before


def test_a_limit_that_the_driver_clamps_is_not_taken_for_the_one_asked(boards, monkeypatch):
    boards.add()
    with GpuControl(SETTINGS) as gpu:
        monkeypatch.setattr(pynvml, "nvmlDeviceGetPowerManagementLimit", lambda handle: 250_000)
        with pytest.raises(HardwareRefused, match="250 W instead of 200 W"):
            gpu.apply({"power_limit_w": 200})


@pytest.mark.parametrize("value", [-1, "fast", True, float("nan"), 1e9])
def test_a_value_that_is_none_is_the_users_mistake(boards, value):
    before = boards.add()
    with GpuControl(SETTINGS) as gpu:
        with pytest.raises(UserError, match="power_limit_w"):
            gpu.apply({"power_limit_w": value})
        assert boards["GPU-aaaa"] == before


def test_a_second_tuner_is_refused_while_the_first_has_the_gpu(boards):
    boards.add("GPU-aaaa")
    boards.add("GPU-bbbb")
    with GpuControl(["power_limit_w"], uuids=["GPU-aaaa"]) as first:
        first.apply({"power_limit_w": 150})
        with pytest.raises(UserError, match=f"another tuner \\(process {os.getpid()}\\)"):
            GpuControl(["gpu_clock_mhz"]).__enter__()
        assert left_over() == ()  # in use is not left over
        assert [journal.pid for journal in under_control()] == [os.getpid()]
        with GpuControl(["power_limit_w"], uuids=["GPU-bbbb"]) as other:
            other.apply({"power_limit_w": 160})
            assert [board.limit for board in boards.all().values()] == [150_000, 160_000]
    with GpuControl(["gpu_clock_mhz"]):
        pass


def test_nothing_is_changed_where_the_journal_cannot_be_kept(boards, tmp_path, monkeypatch):
    before = boards.add()
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="XDG_STATE_HOME"):
        GpuControl(SETTINGS, folder=tmp_path / "file" / "below").__enter__()

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(journals.os, "fsync", full)
    with pytest.raises(UserError, match="No space left"):
        GpuControl(["power_limit_w"]).__enter__()
    assert boards["GPU-aaaa"] == before


def test_a_watchdog_that_was_killed_is_replaced_before_the_next_change(boards):
    before = boards.add()
    told = []
    with GpuControl(SETTINGS, say=told.append) as gpu:
        gpu.apply(FULL)
        (first,) = boards.watchdogs()
        os.kill(first, 9)
        while psutil.Process(first).status() != psutil.STATUS_ZOMBIE:  # it is our child
            time.sleep(0.01)
        gpu.apply({"gpu_clock_mhz": 345})
        (second,) = boards.watchdogs()
        assert second != first
    assert len(told) == 1
    assert "watchdog" in told[0]
    assert boards["GPU-aaaa"] == before


def test_control_may_be_taken_in_a_thread_and_twice(boards):
    before = boards.add()
    control = GpuControl(SETTINGS)

    def twice():
        for _ in range(2):
            with control as gpu:
                gpu.apply(FULL)

    thread = threading.Thread(target=twice)
    thread.start()
    thread.join()
    assert boards["GPU-aaaa"] == before
    with pytest.raises(RuntimeError, match="ended"):
        control.apply(FULL)


def test_a_gpu_that_cannot_be_set_back_is_said_and_stays_in_the_journal(boards):
    boards.add()
    control = GpuControl(["power_limit_w"])
    control.__enter__().apply({"power_limit_w": 200})
    boards.change(power_code=LOST)
    with pytest.raises(UserError, match="tune gpu restore"):
        control.close()
    (journal,) = left_over()
    assert journal.power_limit_mw == 350_000
    control.close()


def test_limits_are_those_of_the_driver(boards):
    boards.add()
    (gpu,) = supported()
    assert (gpu.uuid, gpu.name) == ("GPU-aaaa", "Fake GPU")
    assert gpu.gpu_clocks_mhz == tuple(range(345, 1981, 15))
    assert gpu.memory_clocks_mhz == (1593, 2619)
    assert gpu.power_limits_w == (100, 450)
    assert (gpu.power_limit_w, gpu.default_power_limit_w) == (350, 400)
    assert (gpu.gpu_clock_mhz, gpu.memory_clock_mhz, gpu.persistence_mode) == (1980, 2619, True)


def test_domains_are_few_supported_values_that_all_gpus_take_and_never_raise_a_limit(boards):
    boards.add("GPU-aaaa", limit=350_000)
    boards.add("GPU-bbbb", limit=300_000, lowest=150_000)
    found = domains(supported())
    assert set(found) == set(SETTINGS)
    assert all(values[0] > 0 and list(values) == sorted(set(values)) for values in found.values())
    clocks = found["gpu_clock_mhz"]
    assert len(clocks) == 8
    assert (clocks[0], clocks[-1]) == (345, 1980)
    assert set(clocks) <= set(range(345, 1981, 15))
    gaps = {b - a for a, b in itertools.pairwise(clocks)}
    assert max(gaps) - min(gaps) <= 15
    assert found["memory_clock_mhz"] == (1593, 2619)
    assert found["power_limit_w"][0] == 150
    assert max(found["power_limit_w"]) < 300
    with GpuControl(found) as gpu:
        for name, values in found.items():
            for value in values:
                gpu.apply({name: value})


def test_what_cannot_be_chosen_is_no_domain(boards):
    boards.add(lowest=350_000, highest=350_000)
    assert "power_limit_w" not in domains(supported())
    assert domains([]) == {}
