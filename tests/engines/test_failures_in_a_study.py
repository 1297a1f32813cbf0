"""A study meets every failure there is: each cause is named, and the study goes on to its end."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from types import SimpleNamespace

import psutil
import pytest

from tuner.engines import TransformersEngine, WorkerLimits
from tuner.measure import MeasurementProtocol, Metering, measure
from tuner.search import Objective
from tuner.space import TableSpace
from tuner.study.loop import search
from tuner.study.session import Session, StudyLimits
from tuner.tasks import builtin_task

OBJECTIVES = (Objective.parse("joules_per_request:min"), Objective.parse("mean_e2el_ms:min"))
PROTOCOL = MeasurementProtocol(max_seconds=2.0, max_repeats=3, warmup_seconds=0.0)
REQUESTS = {
    "none": {},
    "out_of_memory": {"cache_implementation": "static", "max_new_tokens": 10**9},
    "refused": {"do_sample": True, "top_k": -1},
    "crash": {"num_beams": 0},
    "killed": {"min_new_tokens": 4000, "max_new_tokens": 4000},
    "hang": {"min_new_tokens": 4000, "max_new_tokens": 4000},
    "wrong_output": {"suppress_tokens": [*range(2), *range(3, 46)]},
}
CAUSES = {"none": None, "killed": "crash"}


class Blow:
    """Sends a signal to the engine's process shortly after it has begun to answer."""

    def __init__(self, engine, number):
        self.engine, self.number, self.over = engine, number, threading.Event()
        self.thread = threading.Thread(target=self._strike, daemon=True)

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def _strike(self):
        while not self.over.wait(0.05):
            if self.engine.in_force.engine and self.engine.pids:
                time.sleep(0.5)
                for pid in self.engine.pids:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, self.number)
                return


@pytest.mark.slow
def test_every_failure_is_an_observation_with_its_cause_and_the_study_goes_on(tiny_model):
    faults = list(REQUESTS)
    space = TableSpace({"batch": list(range(1, 33)), "tokens": [8, 7, 6, 5] * 8})
    task = builtin_task(n=8)

    with TransformersEngine(limits=WorkerLimits(load_s=60, run_s=60, silence_s=1)) as engine:

        def run(configuration, number, keep_going=None):
            fault = faults[number % len(faults)]
            arguments = SimpleNamespace(
                load={"model": tiny_model},
                request={"max_new_tokens": configuration["tokens"], **REQUESTS[fault]},
                harness={"batch_size": 1 if fault == "out_of_memory" else configuration["batch"]},
            )
            blow = {"killed": signal.SIGKILL, "hang": signal.SIGSTOP}.get(fault)
            with Blow(engine, blow) if blow else contextlib.nullcontext():
                return measure(engine, Metering(), arguments, task, PROTOCOL)

        session = Session(space, OBJECTIVES, seed=1, limits=StudyLimits(max_trials=len(faults) + 1))
        search(session, run, lambda event: None)
        seen = {}
        for record in session.records:
            fault = faults[record.number % len(faults)]
            failure = record.measurement.failure
            seen[fault] = failure.cause if failure else None
            assert record.state == ("failed" if failure else "complete")
            assert failure is None or failure.message
    assert len(session.records) == len(faults) + 1  # the last one works again
    assert seen == {fault: CAUSES.get(fault, fault) for fault in faults}
    assert not psutil.Process().children(recursive=True)
