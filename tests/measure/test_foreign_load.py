"""What other programs took of the machine, and what they may have held up."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from tuner.measure.foreign_load import ForeignLoad, ProcessorTimes


def between(busy_s, own_s, all_s=20.0, processors=2):
    start = ProcessorTimes(100.0, 1000.0, 50.0)
    end = ProcessorTimes(100.0 + busy_s, 1000.0 + all_s, 50.0 + own_s)
    return ForeignLoad.between(start, end, processors)


def test_what_is_neither_idle_nor_ours_is_foreign():
    assert between(busy_s=12.0, own_s=10.0).share == pytest.approx(0.1)
    assert between(busy_s=10.0, own_s=10.0) == ForeignLoad(0.0, 0.0)
    assert between(busy_s=9.9, own_s=10.0).share == 0.0  # ticks are coarse


def test_others_beside_idle_processors_hold_nobody_up():
    beside = between(busy_s=15.0, own_s=10.0)
    assert beside.held_up == beside.share == pytest.approx(0.25)


def test_where_no_processor_is_idle_one_busy_loop_may_hold_up_everything():
    assert between(busy_s=20.0, own_s=10.0).held_up == 1.0
    assert between(busy_s=20.0, own_s=18.0).held_up == pytest.approx(0.2)
    assert between(busy_s=160.0, own_s=150.0, all_s=160.0, processors=16).held_up == 1.0


def test_readings_without_a_tick_between_them_say_nothing():
    assert between(0.0, 0.0, all_s=0.0) is None
    assert ForeignLoad.between(None, ProcessorTimes(1.0, 2.0, 0.0)) is None


@pytest.mark.skipif(not os.path.exists("/proc/stat"), reason="needs /proc/stat")
def test_our_own_work_is_not_foreign_and_that_of_a_child_neither():
    before = ProcessorTimes.now(())
    child = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            pass
        after = ProcessorTimes.now((child.pid,))
    finally:
        child.kill()
        child.wait()
    assert after.own_s - before.own_s > 0.2
    assert after.busy_s > before.busy_s
