"""From a configuration to a `Measurement`: alone, or interleaved with others."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tuner.measure.engine import Engine, EngineFailure
from tuner.measure.gauge import Progress, idle_watts, meter_of, run_pass, warm_up
from tuner.measure.measurement import EnergyProvenance, Failure, Measurement
from tuner.measure.meters import Meter
from tuner.measure.metrics import Pass, metrics_of, prompt_scores
from tuner.measure.protocol import Protocol
from tuner.measure.validity import check
from tuner.tasks import Task

if TYPE_CHECKING:
    from tuner.space.contract import Arguments

_OVERRUN = 1.5
"""Passes short of `min_repeats` may take this many times `max_seconds`."""


def measure(
    engine: Engine,
    arguments: Arguments,
    task: Task,
    protocol: Protocol | None = None,
    *,
    seed: int = 0,
    on_progress: Progress = lambda text: None,
) -> Measurement:
    """Measure one configuration.

    Loads and warms up, then passes over the task until the intervals are narrow enough or the
    time is up, each pass with another sampling seed.

    Returns:
        the measurement; a configuration that the engine could not run gives one with `failure`.
    """
    protocol = protocol or Protocol()
    run = _Run(engine, arguments, task, protocol, random.Random(seed), on_progress)
    try:
        run.repeat(used_s=run.set_up(protocol.warmup_seconds))
    except EngineFailure as failure:
        return run.failed(failure)
    return run.result()


def measure_interleaved(
    engine: Engine,
    configurations: Sequence[Arguments],
    task: Task,
    protocol: Protocol | None = None,
    *,
    rounds: int,
    seed: int = 0,
    on_progress: Progress = lambda text: None,
) -> list[Measurement]:
    """Measure several configurations in rounds, each once in every round, in random order.

    What slows a machine for longer than a pass slows all configurations of a round, so that it
    cancels out in ratios of the same round (`compare`). The i-th repeat of each measurement is
    its i-th round; sampling seeds are shared within a round. A configuration that fails takes no
    part in further rounds.

    Returns:
        a measurement for each configuration, in the order given.
    """
    protocol = protocol or Protocol()
    rng = random.Random(seed)
    runs = [_Run(engine, a, task, protocol, rng, on_progress) for a in configurations]
    failures: dict[int, EngineFailure] = {}
    for number in range(rounds):
        order = [i for i in range(len(runs)) if i not in failures]
        rng.shuffle(order)
        pass_seed = rng.getrandbits(31)
        for i in order:
            try:
                runs[i].set_up(protocol.warmup_seconds if number == 0 else 0.0)
                on_progress(f"round {number + 1} of {rounds}, configuration {i + 1}")
                runs[i].add_pass(pass_seed, protocol.max_seconds)
            except EngineFailure as failure:
                failures[i] = failure
    return [
        run.failed(failures[i]) if i in failures else run.result() for i, run in enumerate(runs)
    ]


class _Run:
    """One configuration on its way to a measurement."""

    def __init__(
        self,
        engine: Engine,
        arguments: Arguments,
        task: Task,
        protocol: Protocol,
        rng: random.Random,
        progress: Progress,
    ) -> None:
        self._engine = engine
        self._arguments = arguments
        self._task = task
        self._protocol = protocol
        self._rng = rng
        self._progress = progress
        self._meter: Meter | None = None
        self._idle_watts: float | None = None
        self._setup_s = 0.0
        self._passes_s = 0.0
        self._settings: dict[str, Any] = {}
        self.passes: list[Pass] = []

    def set_up(self, warmup_s: float) -> float:
        """Load, take the idle power, warm up; return the seconds of the warm-up."""
        began = warm = time.monotonic()
        try:
            self._progress("loading")
            self._settings = dict(self._engine.apply(self._arguments))
            self._meter = meter_of(self._engine, self._protocol)
            self._idle_watts = idle_watts(self._engine, self._protocol, self._progress)
            self._progress("warm-up")
            warm = time.monotonic()
            warm_up(self._engine, self._task, warmup_s, self._rng.getrandbits(31))
        finally:
            self._setup_s += time.monotonic() - began
        return time.monotonic() - warm

    def add_pass(self, seed: int, limit_s: float) -> float:
        """Make one more pass and return its seconds; the limit may cut the first one short."""
        assert self._meter is not None
        first, n = not self.passes, len(self._task)
        size = n if first else len(self.passes[0].indices)
        start = 0 if first else (self.passes[-1].indices[-1] + 1) % n
        began = time.monotonic()
        try:
            one = run_pass(
                self._engine,
                self._meter,
                self._task,
                [(start + i) % n for i in range(size)],
                seed=seed,
                seconds=limit_s if first else None,
            )
        finally:
            took = time.monotonic() - began
            self._passes_s += took
            self._settings |= self._engine.settings
        self.passes.append(one)
        return took

    def repeat(self, used_s: float) -> None:
        """Make passes by the rules of the protocol, `used_s` of its time being gone."""
        protocol = self._protocol
        limit_s = (protocol.max_seconds - used_s) / protocol.min_repeats
        for n in range(protocol.max_repeats):
            self._progress(f"repeat {n + 1} of at most {protocol.max_repeats}")
            took = self.add_pass(self._rng.getrandbits(31), limit_s)
            expected_s = used_s + self._passes_s + took
            enough = n + 1 >= protocol.min_repeats
            if expected_s > protocol.max_seconds * (1 if enough else _OVERRUN):
                return
            if enough and _narrow(self.passes, protocol.interval_rel):
                return

    def result(self) -> Measurement:
        """What the passes gave."""
        assert self._meter is not None
        meter, readings = self._meter, [one.reading for one in self.passes]
        metrics = metrics_of(self.passes, meter.source, self._idle_watts)
        validity, reasons = check(
            self.passes,
            metrics,
            meter,
            self._protocol,
            n_prompts=len(self._task),
            arguments=self._arguments,
            settings=self._settings,
        )
        energy = EnergyProvenance(
            energy_source=meter.source,
            energy_scope=meter.scope,
            energy_quantisation_rel=max(reading.quantisation_rel for reading in readings),
            window_s=statistics.fmean(reading.seconds for reading in readings),
            parameters=dict(meter.parameters),
        )
        return Measurement(
            metrics=metrics,
            validity=validity,
            reasons=reasons,
            energy=energy if "energy_j" in metrics else None,
            seconds=self._setup_s + self._passes_s,
            setup_seconds=self._setup_s,
            settings=self._settings,
            scores=prompt_scores(self.passes),
        )

    def failed(self, failure: EngineFailure) -> Measurement:
        """The cause, in place of metrics."""
        return Measurement(
            metrics={},
            validity="invalid",
            reasons=(str(failure),),
            failure=Failure(failure.cause, failure.message),
            seconds=self._setup_s + self._passes_s,
            setup_seconds=self._setup_s,
            settings=self._settings,
        )


def _narrow(passes: Sequence[Pass], interval_rel: float) -> bool:
    """Whether the intervals of energy and mean latency are narrow enough."""
    metrics = metrics_of(passes, "", None)
    watched = [metrics[m] for m in ("joules_per_request", "mean_e2el_ms") if m in metrics]
    return all(
        metric.high is not None and metric.high - metric.value <= interval_rel * metric.value
        for metric in watched
    )
