"""One configuration on its way to a measurement."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tuner.measure.answers import Reuse
from tuner.measure.dominance import EarlyEnd
from tuner.measure.engine_protocol import (
    Engine,
    EngineFailure,
    InterruptedRun,
    KeepGoing,
    or_interrupt,
)
from tuner.measure.in_force import InForce
from tuner.measure.measurement import Failure, Measurement
from tuner.measure.measurement_protocol import MeasurementProtocol
from tuner.measure.memory import Memory
from tuner.measure.metering import Metering, provenance_of
from tuner.measure.meters import Meter
from tuner.measure.metric_values import (
    metrics_of,
    narrow_enough,
    prompt_scores,
    prompt_seconds,
)
from tuner.measure.passes import Pass, run_pass, warm_up, without_energy
from tuner.measure.phase import Loading, OnPhase, Repeat, WarmUp
from tuner.measure.validity import check
from tuner.workloads import Work

if TYPE_CHECKING:
    from tuner.space.contract import Arguments

_OVERRUN = 1.5
"""Passes short of `min_repeats` may take this many times `max_seconds`."""

_AT_ONCE_S = 0.2
"""A configuration that is in force so soon had everything loaded."""

_WARM_UP_SHARE = 0.25
"""A warm-up that takes this share of `max_seconds` is given up: so much of it warms up as well."""


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
        keep_going: KeepGoing | None = None,
    ) -> None:
        self._engine = engine
        self._metering = metering
        self._arguments = arguments
        self._work = work
        self._protocol = protocol
        self._rng = rng
        self._on_phase = on_phase
        self._memory = memory or Memory()
        self._time_left = keep_going or (lambda: True)
        self._in_time = or_interrupt(self._time_left)
        self._grade = self._memory.answers.grader(work)
        self._open_loop = any(request.arrival_s is not None for request in work.requests)
        harness = arguments.harness
        concurrency = harness.get("concurrency")
        self._concurrency = None if concurrency is None or self._open_loop else int(concurrency)
        at_once = self._concurrency or int(harness.get("batch_size", 1))
        self._batch = min(len(work), at_once)
        self._meter: Meter | None = None
        self._idle_watts: float | None = None
        self._setup_s = 0.0
        self._passes_s = 0.0
        self._in_force = InForce()
        self._details: dict[str, Any] = {}
        self._warm = False
        self._batch_s: float | None = None
        self._notes: list[str] = []
        self._next = 0
        self._bounds: dict[str, float] = {}
        self.passes: list[Pass] = []

    @property
    def batch(self) -> int:
        """Requests that are under way at a time."""
        return self._batch

    def set_up(self) -> float:
        """Load, take the idle power, warm up; return the seconds of the warm-up.

        What was in force not long before, and comes back without being loaded, is still warm.
        """
        protocol = self._protocol
        began = warm = time.monotonic()
        try:
            self._on_phase(Loading())
            self._in_force = self._engine.apply(self._arguments, keep_going=self._in_time)
            self._details = {"load_average": round(os.getloadavg()[0], 2)}
            self._meter = self._metering.meter_for(self._engine, protocol)
            self._idle_watts = self._metering.idle_watts(self._engine, protocol, self._on_phase)
            if self._warm and time.monotonic() - began < _AT_ONCE_S:
                return 0.0
            self._on_phase(WarmUp())
            warm = time.monotonic()
            longest_s = _WARM_UP_SHARE * protocol.max_seconds
            self._batch_s = warm_up(
                self._engine,
                self._meter,
                self._work,
                settle_s=0.0 if self._warm else min(protocol.warmup_seconds, longest_s),
                longest_s=longest_s,
                seed=self._rng.getrandbits(31),
                concurrency=self._concurrency,
                keep_going=self._in_time,
            )
            self._warm = True
        finally:
            self._setup_s += time.monotonic() - began
        return time.monotonic() - warm

    def repeat(self, used_s: float, early: EarlyEnd, answers_key: Hashable | None = None) -> None:
        """Make passes by the rules of the protocol, `used_s` of its time being gone.

        Raises:
            InterruptedRun: the run was to be given up before anything was known.
        """
        n, protocol = len(self._work), self._protocol
        size = n if self._open_loop else protocol.block_size(n, self._batch, self._batch_s)
        most = protocol.max_repeats
        while not self._bounds:
            number = len(self.passes) + 1
            self._on_phase(Repeat(number, max(most, -(-n // size))))
            one = self.answer(size, self._rng.getrandbits(31), early.longest_s)
            if self._open_loop and one.n_asked:
                size = one.n_asked  # cut by the time limit: repeats are over as many
            elif one.n_asked < size:
                self._give_up(one, size)
                return
            self.passes.append(one)
            if self._is_enough(used_s, size, early, answers_key):
                return

    def _is_enough(
        self, used_s: float, size: int, early: EarlyEnd, answers_key: Hashable | None
    ) -> bool:
        protocol, made = self._protocol, len(self.passes)
        if why := early.why(self._so_far()):
            self._notes.append(f"ended early after repeat {made}: {why}")
            return True
        all_answered = self._open_loop or made * size >= len(self._work)
        enough = made >= (1 if self._open_loop else protocol.min_repeats)
        narrow = enough and narrow_enough(self.passes, protocol.interval_rel)
        if all_answered and (narrow or made >= protocol.max_repeats):
            return True
        expected_s = used_s + self._passes_s + self.passes[-1].reading.seconds
        if expected_s <= (1.0 if enough else _OVERRUN) * protocol.max_seconds:
            return False
        late = expected_s > protocol.patience * protocol.max_seconds
        return all_answered or late or not self._wants_the_rest(early, answers_key)

    def _wants_the_rest(self, early: EarlyEnd, answers_key: Hashable | None) -> bool:
        """Whether the answers to the prompts that are left may still matter."""
        if self.passes[-1].scores is None:
            return False
        answers, n = self._memory.answers, len(self._work)
        if answers_key is not None and answers.knows_the_rest(answers_key, self.passes, n):
            return False
        return early.contends(self._so_far())

    def window(self, indices: Sequence[int], seed: int) -> Measurement:
        """One pass over these requests, as a measurement with a single repeat.

        Raises:
            InterruptedRun: it was to be given up.
        """
        self._setup_s = self._passes_s = 0.0
        self.set_up()
        one = self.answer(len(indices), seed, indices=indices)
        if one.n_asked < len(indices):
            raise InterruptedRun
        self.passes = [one]
        return self.result(window=True)

    def _give_up(self, one: Pass, size: int) -> None:
        """Take what is known of a repeat that was ended in the middle."""
        interrupted = not self._time_left()
        if self.passes:
            why = "there was no time for more" if interrupted else "batches take too long"
            self._notes.append(f"ended early in repeat {len(self.passes) + 1}: {why}")
        elif interrupted:
            if not one.n_asked:
                raise InterruptedRun
            self.passes.append(one)
            self._notes.append("ended early in its first repeat: there was no time for more")
        else:
            latency_s = self._passes_s * self._batch / size
            self._bounds = {"mean_e2el_ms": 1e3 * latency_s}
            if one.reading.joules is not None:
                self._bounds["joules_per_request"] = one.reading.joules / size

    def _so_far(self) -> Measurement:
        """What is known between two passes."""
        metrics = metrics_of(self.passes, "", None, self._protocol.goodput)
        metrics = self._memory.pooled_variance.filled(metrics)
        return Measurement(metrics, scores=prompt_scores(self.passes))

    def answer(
        self,
        n: int,
        seed: int,
        longest_s: float | None = None,
        indices: Sequence[int] | None = None,
    ) -> Pass:
        """Answer the next `n` requests, or those of `indices`.

        Given up where the mean latency is sure to be more than `longest_s`: batches come one after
        the other, so that it is at least the time so far times the share of a batch. And where one
        repeat takes all the time that a contender has.
        """
        assert self._meter is not None
        first_window = self._open_loop and not self.passes and indices is None
        if indices is None:
            indices = [(self._next + i) % len(self._work) for i in range(n)]
            self._next = 0 if self._open_loop else (self._next + n) % len(self._work)
        began = time.monotonic()
        give_up_s = None
        if longest_s is not None:
            most_s = self._protocol.patience * self._protocol.max_seconds
            give_up_s = min(longest_s * n / self._batch, most_s)

        def within() -> bool:
            late = give_up_s is not None and time.monotonic() - began > give_up_s
            return self._in_time() and not late

        try:
            return run_pass(
                self._engine,
                self._meter,
                self._work,
                indices,
                seed=seed,
                seconds=self._protocol.max_seconds if first_window else None,
                concurrency=self._concurrency,
                grade=self._grade,
                keep_going=within,
            )
        finally:
            self._passes_s += time.monotonic() - began
            self._in_force = self._engine.in_force

    def result(self, answers_key: Hashable | None = None, *, window: bool = False) -> Measurement:
        """What the passes gave, and earlier answers of the same key.

        A `window` is one of several: that it holds few prompts is no cause for doubt.
        """
        assert self._meter is not None
        if self._bounds:
            return self._ended_early()
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
        warnings: list[str] = []
        if answers_key is not None:
            reuse = self._memory.answers.reuse(answers_key, self.passes)
            self._notes += [reuse.note] if reuse.note else []
            warnings += [reuse.warning] if reuse.warning else []
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
            warnings=warnings,
            all_prompts=not window,
        )
        measurement = Measurement(
            metrics=metrics,
            validity=validity,
            reasons=reasons,
            energy=provenance_of(meter, readings) if "energy_j" in metrics else None,
            seconds=self._setup_s + self._passes_s,
            setup_seconds=self._setup_s,
            in_force=self._recorded(),
            scores=prompt_scores(self.passes, reuse.scores),
            prompt_seconds=prompt_seconds(self.passes),
            notes=tuple(self._notes),
        )
        self._memory.learn_energy(measurement)
        return measurement

    def _ended_early(self) -> Measurement:
        """Bounds, where not even the first repeat was worth its end."""
        words = "ended in its first repeat: it is beyond the limits of interest"
        return Measurement(
            metrics={},
            bounds=self._bounds,
            seconds=self._setup_s + self._passes_s,
            setup_seconds=self._setup_s,
            in_force=self._recorded(),
            notes=(words,),
        )

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
