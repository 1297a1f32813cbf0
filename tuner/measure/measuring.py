"""From a configuration to a `Measurement`."""

from __future__ import annotations

import random
from collections.abc import Hashable
from typing import TYPE_CHECKING

from tuner.measure._run import Run
from tuner.measure.dominance import EarlyEnd
from tuner.measure.engine_protocol import Engine, EngineFailure, KeepGoing
from tuner.measure.measurement import Measurement
from tuner.measure.measurement_protocol import MeasurementProtocol
from tuner.measure.memory import Memory
from tuner.measure.metering import Metering
from tuner.measure.phase import OnPhase
from tuner.workloads import Work

if TYPE_CHECKING:
    from tuner.space.contract import Arguments


def measure(
    engine: Engine,
    metering: Metering,
    arguments: Arguments,
    work: Work,
    protocol: MeasurementProtocol | None = None,
    *,
    seed: int = 0,
    on_phase: OnPhase = lambda phase: None,
    early: EarlyEnd | None = None,
    memory: Memory | None = None,
    answers_key: Hashable | None = None,
    keep_going: KeepGoing | None = None,
) -> Measurement:
    """Measure one configuration.

    Loads and warms up, then passes over the requests until the intervals are narrow enough, the
    time is up, or something else is known to be better, each pass with another sampling seed.

    Args:
        engine: runs it.
        metering: gives the meter for what it runs on; the caller's, who closes it.
        arguments: the configuration.
        work: what is asked.
        protocol: the rules; the usual ones by default.
        seed: of sampled answers.
        on_phase: is told what begins.
        early: ends the measurement where it need not go on. Between two passes the measurement
            is valid all the same, and says so in `notes`; in the middle of the first pass all that
            is known are `bounds`.
        memory: what earlier measurements of the study know; learns from this one.
        answers_key: equal for configurations that cannot but answer alike: all that may change the
            answers is in it. None where answers are sampled.
        keep_going: once it says no, the measurement ends with what is known by then.

    Returns:
        the measurement; a configuration that the engine could not run gives one with `failure`.

    Raises:
        InterruptedRun: `keep_going` said no before anything was known.
    """
    protocol = protocol or MeasurementProtocol()
    rng = random.Random(seed)
    run = Run(engine, metering, arguments, work, protocol, rng, on_phase, memory, keep_going)
    try:
        run.repeat(run.set_up(), early or EarlyEnd(), answers_key)
    except EngineFailure as failure:
        return run.failed(failure)
    return run.result(answers_key)
