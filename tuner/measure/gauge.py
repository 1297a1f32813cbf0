"""An engine with its meter: idle power and warm-up."""

from __future__ import annotations

import itertools
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tuner.measure.engine import Engine
from tuner.measure.meters import Meter, best_meter
from tuner.measure.passes import Pass, run_pass
from tuner.measure.protocol import Protocol
from tuner.workloads import Work

Progress = Callable[[str], None]
"""Is told in a few words what is being done."""

_IDLE_HOLDS_S = 3600.0
_SETTLED = 0.9
"""A warm-up batch that takes at least this share of the one before shows that speed has settled."""


@dataclass
class Gauge:
    """What is kept of an engine between measurements: its meter and its idle power."""

    meter: Meter | None = None
    metered: tuple[str, ...] = ()
    idle_watts: float | None = None
    idle_of: str = ""
    idle_until: float = 0.0


_GAUGES: weakref.WeakKeyDictionary[Engine, Gauge] = weakref.WeakKeyDictionary()


def meter_of(engine: Engine, protocol: Protocol) -> Meter:
    """The meter for what the engine runs on now."""
    gauge = _GAUGES.setdefault(engine, Gauge())
    gpus = engine.in_force.gpus
    metered = (engine.device, str(protocol.watts_per_core), *gpus)
    if gauge.meter is None or gauge.metered != metered:
        if gauge.meter is not None:
            gauge.meter.close()
        reference = weakref.ref(engine)

        def pids() -> Sequence[int]:
            running = reference()
            return running.pids if running is not None else ()

        gauge.meter = best_meter(pids, engine.device, gpus, protocol.watts_per_core)
        gauge.metered, gauge.idle_until = metered, 0.0
    return gauge.meter


def idle_watts(engine: Engine, protocol: Protocol, progress: Progress) -> float | None:
    """Power with the model loaded and nothing to do; None where the meter cannot see it."""
    meter = meter_of(engine, protocol)
    if meter.source == "estimated" or protocol.idle_seconds <= 0:
        return None
    gauge, model = _GAUGES[engine], engine.in_force.model_asked
    if gauge.idle_of != model or time.monotonic() > gauge.idle_until:
        progress("idle power")
        meter.start()
        time.sleep(protocol.idle_seconds)
        reading = meter.stop()
        gauge.idle_watts = None if reading.joules is None else reading.joules / reading.seconds
        gauge.idle_of, gauge.idle_until = model, time.monotonic() + _IDLE_HOLDS_S
    return gauge.idle_watts


def warm_up(
    engine: Engine,
    meter: Meter,
    work: Work,
    seconds: float,
    seed: int,
    concurrency: int | None = None,
) -> Pass:
    """Run the first batch until it no longer gets faster, or for so long; return the last run."""
    began = time.perf_counter()
    before = float("inf")
    for i in itertools.count():
        one = run_pass(
            engine,
            meter,
            work,
            range(len(work)),
            seed=seed + i,
            seconds=0.0,
            concurrency=concurrency,
        )
        took = one.reading.seconds
        if took >= _SETTLED * before or time.perf_counter() - began >= seconds:
            return one
        before = took
    raise AssertionError
