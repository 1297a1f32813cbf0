"""One configuration on its way to a measurement."""

from __future__ import annotations

import math
import os
import random
import statistics
import time
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tuner.measure.answers import Reuse
from tuner.measure.dominance import Dominated
from tuner.measure.engine_protocol import Engine, EngineFailure
from tuner.measure.in_force import InForce
from tuner.measure.measurement import EnergyPart, EnergyProvenance, Failure, Measurement
from tuner.measure.measurement_protocol import MeasurementProtocol
from tuner.measure.memory import Memory
from tuner.measure.metering import Metering
from tuner.measure.meters import Meter, Reading
from tuner.measure.metric_values import metrics_of, prompt_scores
from tuner.measure.passes import Pass, joined, run_pass, warm_up, without_energy
from tuner.measure.phase import Loading, OnPhase, Repeat, WarmUp
from tuner.measure.validity import check
from tuner.workloads import Work

if TYPE_CHECKING:
    from tuner.space.contract import Arguments

_OVERRUN = 1.5
"""Passes short of `min_repeats` may take this many times `max_seconds`."""

_AT_ONCE_S = 0.2
"""A configuration that is in force so soon had everything loaded."""

_TOO_SLOW = 0.5
"""A warm-up that takes this share of `max_seconds` is all that is run."""


class Run:
    """Sets up, makes passes over the task, and puts the measurement together."""

    def __init__(
        self,
        engine: Engine,
        metering: Metering,
        arguments: Arguments,
        work: Work,
        protocol: MeasurementProtocol,
        rng: random.Random,
        on_phase: OnPhase,
        memory: Memory | None = None,
    ) -> None:
        self._engine = engine
        self._metering = metering
        self._arguments = arguments
        self._work = work
        self._protocol = protocol
        self._rng = rng
        self._on_phase = on_phase
        self._memory = memory or Memory()
        self._grade = self._memory.answers.grader(work)
        self._open_loop = any(request.arrival_s is not None for request in work.requests)
        concurrency = arguments.harness.get("concurrency")
        self._concurrency = None if concurrency is None or self._open_loop else int(concurrency)
        self._meter: Meter | None = None
        self._idle_watts: float | None = None
        self._setup_s = 0.0
        self._passes_s = 0.0
        self._in_force = InForce()
        self._details: dict[str, Any] = {}
        self._warm: Pass | None = None
        self._warnings: list[str] = []
        self._notes: list[str] = []
        self._next = 0
        self._part: Pass | None = None
        self._parts: tuple[int, ...] | None = None
        self.passes: list[Pass] = []

    def set_up(self, warmup_s: float) -> float:
        """Load, take the idle power, warm up; return the seconds of the warm-up.

        What was in force not long before, and comes back without being loaded, is still warm.
        """
        began = warm = time.monotonic()
        try:
            self._on_phase(Loading())
            self._in_force = self._engine.apply(self._arguments)
            self._details = {"load_average": round(os.getloadavg()[0], 2)}
            self._meter = self._metering.meter_for(self._engine, self._protocol)
            self._idle_watts = self._metering.idle_watts(
                self._engine, self._protocol, self._on_phase
            )
            if self._warm is not None and time.monotonic() - began < _AT_ONCE_S:
                return 0.0
            self._on_phase(WarmUp())
            warm = time.monotonic()
            seed = self._rng.getrandbits(31)
            self._warm = warm_up(
                self._engine, self._meter, self._work, warmup_s, seed, self._concurrency
            )
        finally:
            self._setup_s += time.monotonic() - began
        return time.monotonic() - warm

    def repeat(self, used_s: float, dominated: Dominated | None) -> None:
        """Make passes by the rules of the protocol, `used_s` of its time being gone."""
        protocol, size = self._protocol, len(self._work)
        if used_s > _TOO_SLOW * protocol.max_seconds and self._warm is not None:
            self.passes.append(self._warm)  # better than to overrun once more
            self._warnings.append(
                "one batch took so long that its warm-up had to be the measurement"
            )
            return
        least = 1 if self._open_loop else protocol.min_repeats
        limit_s: float | None = (protocol.max_seconds - used_s) / least
        for n in range(protocol.max_repeats):
            self._on_phase(Repeat(n + 1, protocol.max_repeats))
            one = self._answer(size, self._rng.getrandbits(31), limit_s)
            self.passes.append(one)
            size, limit_s = one.n_asked, None
            expected_s = used_s + self._passes_s + one.reading.seconds
            enough = n + 1 >= least
            if expected_s > protocol.max_seconds * (1 if enough else _OVERRUN):
                return
            if enough and _narrow(self.passes, protocol.interval_rel):
                return
            if why := dominated(self._so_far()) if dominated else None:
                self._notes.append(f"ended early after repeat {n + 1}: {why}")
                return

    def _so_far(self) -> Measurement:
        """What is known between two passes."""
        metrics = metrics_of(self.passes, "", None, self._protocol.goodput)
        metrics = self._memory.pooled_variance.filled(metrics)
        return Measurement(metrics, scores=prompt_scores(self.passes))

    def turn_is_empty(self, turn: int) -> bool:
        """Whether nothing is left for this turn: there are fewer batches than turns."""
        return self._parts is not None and not self._parts[turn]

    def run_slice(self, turn: int, turns: int, seed: int) -> None:
        """Make one of the parts of a pass, of whole batches; all of an open loop in the first."""
        if self._parts is None:
            self._parts = self._first_turn(turns, seed)
        else:
            part = self._answer(self._parts[turn], seed, None)
            self._part = joined(self._part, part) if self._part else part
        if self._part and not any(self._parts[turn + 1 :]):
            self.passes.append(self._part)
            self._part = None

    def _first_turn(self, turns: int, seed: int) -> tuple[int, ...]:
        """Make the very first part, and see from it how large the parts can be."""
        n, batch_size = len(self._work), int(self._arguments.harness.get("batch_size", 1))
        if self._open_loop:
            self._part = self._answer(n, seed, self._protocol.max_seconds)
            return (self._part.n_asked, *(0,) * (turns - 1))
        wanted = min(n, math.ceil(n / turns / batch_size) * batch_size)
        self._part = self._answer(wanted, seed, self._protocol.max_seconds / turns)
        asked = self._part.n_asked
        if asked < wanted:
            return (asked,) * turns
        return tuple(max(0, min(wanted, n - turn * wanted)) for turn in range(turns))

    def _answer(self, n: int, seed: int, limit_s: float | None) -> Pass:
        """Answer the next `n` requests, or as many of them as begin within the limit."""
        assert self._meter is not None
        indices = [(self._next + i) % len(self._work) for i in range(n)]
        began = time.monotonic()
        try:
            one = run_pass(
                self._engine,
                self._meter,
                self._work,
                indices,
                seed=seed,
                seconds=limit_s,
                concurrency=self._concurrency,
                grade=self._grade,
            )
        finally:
            self._passes_s += time.monotonic() - began
            self._in_force = self._engine.in_force
        if not self._open_loop:
            self._next = (self._next + one.n_asked) % len(self._work)
        return one

    def result(self, answers_key: Hashable | None = None) -> Measurement:
        """What the passes gave, and earlier answers of the same key."""
        assert self._meter is not None
        windows = [dict(one.reading.details) for one in self.passes]
        if any(windows):
            self._details["windows"] = windows
        completions = [completion for one in self.passes for completion in one.completions]
        if not any(completion.text.strip() for completion in completions):
            words = f"all {len(completions)} answers are empty"
            return self.failed(EngineFailure("wrong_output", words))
        meter = self._meter
        if why := self._memory.incomparable_energy(meter.source):
            self.passes = [without_energy(one, why) for one in self.passes]
        readings = [one.reading for one in self.passes]
        reuse = Reuse()
        if answers_key is not None:
            reuse = self._memory.answers.reuse(answers_key, self.passes)
            self._notes += [reuse.note] if reuse.note else []
            self._warnings += [reuse.warning] if reuse.warning else []
        measured = metrics_of(
            self.passes, meter.source, self._idle_watts, self._protocol.goodput, reuse.scores
        )
        metrics = self._memory.pooled_variance.filled(measured)
        self._memory.pooled_variance.learn(measured)
        validity, reasons = check(
            self.passes,
            metrics,
            meter,
            self._protocol,
            requests=self._work.requests,
            arguments=self._arguments,
            in_force=self._in_force,
            warnings=self._warnings,
        )
        measurement = Measurement(
            metrics=metrics,
            validity=validity,
            reasons=reasons,
            energy=_provenance(meter, readings) if "energy_j" in metrics else None,
            seconds=self._setup_s + self._passes_s,
            setup_seconds=self._setup_s,
            in_force=self._recorded(),
            scores=prompt_scores(self.passes, reuse.scores),
            notes=tuple(self._notes),
        )
        self._memory.learn_energy(measurement)
        return measurement

    def _recorded(self) -> InForce:
        details = {**self._in_force.details, **self._details}
        return replace(self._in_force, details=details)

    def failed(self, failure: EngineFailure) -> Measurement:
        """The cause, in place of metrics."""
        return Measurement(
            metrics={},
            validity="invalid",
            reasons=(str(failure),),
            failure=Failure(failure.cause, failure.message),
            seconds=self._setup_s + self._passes_s,
            setup_seconds=self._setup_s,
            in_force=self._recorded(),
        )


def _provenance(meter: Meter, readings: Sequence[Reading]) -> EnergyProvenance:
    """Where the joules of the windows come from; at least one window has any."""
    windows = [
        reading.parts or (EnergyPart(meter.scope, meter.source, reading.joules),)
        for reading in readings
        if reading.joules is not None
    ]
    return EnergyProvenance(
        energy_source=meter.source,
        energy_scope=meter.scope,
        energy_quantisation_rel=max(reading.quantisation_rel for reading in readings),
        window_s=statistics.fmean(reading.seconds for reading in readings),
        parameters=dict(meter.parameters),
        parts=tuple(
            replace(same[0], joules=statistics.fmean(part.joules or 0.0 for part in same))
            for same in zip(*windows, strict=True)
        ),
    )


def _narrow(passes: Sequence[Pass], interval_rel: float) -> bool:
    """Whether the intervals of energy and mean latency are narrow enough."""
    metrics = metrics_of(passes, "", None)
    watched = [metrics[m] for m in ("joules_per_request", "mean_e2el_ms") if m in metrics]
    return all(
        metric.high is not None and metric.high - metric.value <= interval_rel * metric.value
        for metric in watched
    )
