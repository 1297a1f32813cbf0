"""Measures configurations by driving an engine with the requests of a study."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

from tuner.errors import UserError
from tuner.measure import (
    DriftReference,
    Engine,
    KeepGoing,
    Measurement,
    MeasurementProtocol,
    Memory,
    Metering,
    Phase,
    TurnTaking,
    Window,
    combined,
    measure,
)
from tuner.run.answer_reuse import answers_key
from tuner.run.drift_correction import DriftCorrection
from tuner.run.early_stopping import early_end
from tuner.run.evaluator import TrialHistory
from tuner.run.grading import graded
from tuner.run.partial_pass import difficulty, extrapolated
from tuner.run.request_set import RequestSet
from tuner.run.seeds import trial_seed, verification_seed
from tuner.search import ServiceLevel, goodput_bounds
from tuner.space import Configuration
from tuner.study import Observer, PhaseStarted, StudySpec

DEFAULT_SHARE = 0.15
"""The default has so much of a time limit to answer every request: all are compared with it."""
TRIAL_SHARE = 0.025
"""Another configuration aims for so much of a time limit at most."""
DEFAULT_PATIENCE = 40.0
"""Without a time limit it has so many times what other configurations aim for."""

REFERENCE_REQUESTS = 4
"""Requests of a reference for drift at least."""
LONGEST_AFTER_START_S = 10.0
"""Where an engine starts anew, a window is as long as the start, but no longer than this: more
blocks are worth more than longer ones."""
LOAD_SECONDS = 1.0
"""Allowance for changing the configuration of an engine that keeps models in memory."""


def trial_seconds(spec: StudySpec) -> float:
    """Aim for the measured part of a configuration: what was asked for, less in a short study."""
    if spec.max_seconds is None:
        return spec.seconds_per_trial
    return min(spec.seconds_per_trial, TRIAL_SHARE * spec.max_seconds)


class EngineEvaluator:
    """Drives an engine by the measurement protocol.

    A configuration that is dominated for sure, or beyond the limits of interest, is ended early,
    answers that cannot differ are graded once, and the default is measured again now and then, so
    that a drift of the machine can be taken out.
    """

    def __init__(
        self,
        engine: Engine,
        metering: Metering,
        requests: RequestSet,
        history: TrialHistory,
        spec: StudySpec,
        levels: Sequence[ServiceLevel],
        limits: Sequence[ServiceLevel],
        observe: Observer,
    ) -> None:
        self._engine = engine
        self._metering = metering
        self._requests = requests
        self._history = history
        self._spec = spec
        self._policy = spec.backend.policy
        self._levels = levels
        self._limits = limits
        self._observe = observe
        aim_s = trial_seconds(spec)
        self._protocol = MeasurementProtocol(max_seconds=aim_s, goodput=goodput_bounds(spec.levels))
        share_s = DEFAULT_SHARE * spec.max_seconds if spec.max_seconds else DEFAULT_PATIENCE * aim_s
        patience = max(self._protocol.patience, share_s / aim_s)
        self._patient = replace(self._protocol, patience=patience)
        self._memory = Memory(r.measurement for r in history.complete if r.measurement)
        self._drift = DriftCorrection(history, self._measure_reference)
        self._asked: KeepGoing = lambda: True
        self._turns = TurnTaking(
            engine,
            metering,
            requests.work,
            self._protocol,
            seed=verification_seed(spec.seed),
            on_phase=self._on_phase,
            keep_going=self._keep_going,
        )
        self._rates: dict[Configuration, float] = {}
        self._graded: dict[Configuration, tuple[float, ...]] = {}

    def measure(
        self, configuration: Configuration, number: int, keep_going: KeepGoing | None = None
    ) -> Measurement:
        """Measure one configuration; the default has more time, as all are compared with it."""
        self._asked = keep_going or (lambda: True)
        space, work = self._history.space, self._requests.work
        is_default = configuration == space.default
        arguments = space.arguments(configuration)
        if not is_default:
            self._drift.refresh()
        seed = trial_seed(self._spec.seed, number)
        began = self._history.elapsed
        measurement = measure(
            self._engine,
            self._metering,
            arguments,
            work,
            self._patient if is_default else self._protocol,
            seed=seed,
            on_phase=self._on_phase,
            early=None
            if is_default
            else early_end(self._history, self._levels, self._limits, len(work)),
            memory=self._memory,
            answers_key=self._answers_key(configuration),
            keep_going=self._keep_going,
        )
        self._require_energy()
        if measurement.bounds:
            return measurement
        default = self._default_measurement()
        if default is not None and not is_default and measurement.failure is None:
            known = self._scores(space.default, ()) if self._requests.graded is None else ()
            measurement = extrapolated(measurement, default, len(work), known)
        if self._requests.graded is not None:
            measurement = graded(
                self._engine,
                arguments,
                measurement,
                self._requests.graded,
                seed,
                self._on_phase,
                self._keep_going,
            )
        return self._drift.correct(measurement, (began + self._history.elapsed) / 2)

    def window(
        self,
        configuration: Configuration,
        block: int,
        seconds: float,
        keep_going: KeepGoing | None = None,
    ) -> Window:
        """Measure a configuration for about so many seconds, as its part of a block."""
        self._asked = keep_going or (lambda: True)
        arguments = self._history.space.arguments(configuration)
        indices = self._indices(configuration, block, self._worth_a_start(seconds))
        seed = verification_seed(self._spec.seed) + block
        measurement = self._turns.window(configuration, arguments, indices, seed)
        if measurement.failure is None:
            seconds_run = measurement.seconds - measurement.setup_seconds
            self._rates[configuration] = len(indices) / max(seconds_run, 1e-6)
            task = self._requests.graded
            if task is not None and configuration not in self._graded:
                measurement = graded(
                    self._engine, arguments, measurement, task, seed, self._on_phase, keep_going
                )
                self._graded[configuration] = measurement.scores
        hard = difficulty(self._default_measurement(), indices)
        return Window(block, tuple(indices), measurement, hard)

    def combined(self, configuration: Configuration, windows: Sequence[Window]) -> Measurement:
        """What windows of one configuration give together, and what is known of its answers."""
        if self._requests.task is None:
            return combined(windows)
        if self._requests.graded is not None:
            every = [w.measurement.scores for w in windows if w.measurement.scores]
            return combined(windows, every[-1] if every else ())
        return combined(windows, self._scores(configuration, windows))

    def window_seconds(self, configuration: Configuration, seconds: float) -> float:
        """How long a window takes, whole batches and what the change of configuration costs."""
        seconds = self._worth_a_start(seconds)
        n = self._window_requests(configuration, seconds)
        rate = self._rate(configuration)
        return self._start_seconds() + (n / rate if rate else seconds)

    def _start_seconds(self) -> float:
        """What it takes to change the configuration."""
        if not self._policy.restarts:
            return LOAD_SECONDS
        known = [r.measurement.setup_seconds for r in self._history.complete if r.measurement]
        return max(known, default=LOAD_SECONDS)

    def _worth_a_start(self, seconds: float) -> float:
        """The length of a window: not much shorter than the start of the engine before it."""
        if not self._policy.restarts:
            return seconds
        return max(seconds, min(self._start_seconds(), LONGEST_AFTER_START_S))

    def _keep_going(self) -> bool:
        """Whether whoever asked for what is being measured has time left."""
        return self._asked()

    def _indices(self, configuration: Configuration, block: int, seconds: float) -> list[int]:
        """Requests of a window: all configurations of a block begin at the same one."""
        size = len(self._requests.work)
        if any(r.arrival_s is not None for r in self._requests.work.requests):
            default = self._default_measurement()
            answered = len(default.prompt_seconds) if default is not None else 0
            return list(range(answered or size))
        step = self._window_requests(self._history.space.default, seconds)
        n = self._window_requests(configuration, seconds)
        return [(block * step + i) % size for i in range(n)]

    def _window_requests(self, configuration: Configuration, seconds: float) -> int:
        """Whole batches that take about so long, one where nobody knows; no request twice."""
        harness = self._history.space.arguments(configuration).harness
        batch = int(harness.get("concurrency") or harness.get("batch_size", 1))
        rate = self._rate(configuration)
        batches = round(seconds * rate / batch) if rate else 1
        return min(len(self._requests.work), batch * max(1, batches))

    def _rate(self, configuration: Configuration) -> float | None:
        """Requests a second, of the last window or else of the search; None where unknown."""
        if configuration in self._rates:
            return self._rates[configuration]
        for record in self._history.complete:
            if record.configuration == configuration and record.measurement is not None:
                rate = record.measurement.metrics.get("request_throughput")
                return rate.value if rate is not None and rate.value > 0 else None
        return None

    def _scores(self, configuration: Configuration, windows: Sequence[Window]) -> tuple[float, ...]:
        """The score of each prompt: of the windows, and of the search where answers are certain.

        Answers that are drawn at random are not taken from the search, whose best trial is also
        the luckiest.
        """
        key = self._answers_key(configuration)
        found: dict[int, float] = {}
        if key is not None:
            for record in self._history.complete:
                if record.measurement and self._answers_key(record.configuration) == key:
                    found.update(enumerate(record.measurement.scores[len(found) :], len(found)))
        sums: dict[int, list[float]] = {}
        for window in windows:
            asked = sorted(set(window.indices))
            for index, score in zip(asked, window.measurement.scores, strict=False):
                sums.setdefault(index, []).append(score)
        found |= {index: sum(scores) / len(scores) for index, scores in sums.items()}
        return tuple(found[i] for i in itertools.takewhile(found.__contains__, itertools.count()))

    def _answers_key(self, configuration: Configuration) -> tuple[tuple[str, object], ...] | None:
        return answers_key(
            self._history.space, configuration, greedy_by_default=self._policy.greedy_by_default
        )

    def _default_measurement(self) -> Measurement | None:
        trials = self._history.complete
        default = self._history.space.default
        return next((r.measurement for r in trials if r.configuration == default), None)

    def _measure_reference(self) -> Measurement:
        """The default once more, on as many requests as it answers in about a second."""
        self._on_phase(DriftReference())
        space, work = self._history.space, self._requests.work
        rate = self._rate(space.default)
        n = min(len(work), max(REFERENCE_REQUESTS, int(rate or 1.0)))
        protocol = replace(self._protocol, min_repeats=3, max_repeats=3)
        arguments = space.arguments(space.default)
        return measure(
            self._engine,
            self._metering,
            arguments,
            work.select(range(n)),
            protocol,
            keep_going=self._keep_going,
        )

    def _require_energy(self) -> None:
        """Refuse to go on where the study is about energy that cannot be seen from here."""
        wanted = [o.metric for o in self._history.outputs if o.kind == "energy"]
        if wanted and not self._metering.sees_energy_of(self._engine):
            raise UserError(
                f"{wanted[0]} cannot be measured: the server's processes cannot be seen from here. "
                "Run the tuner on the server's machine, or give other objectives, as in "
                "--objective mean_e2el_ms:min --objective output_throughput:max."
            )

    def _on_phase(self, phase: Phase) -> None:
        self._observe(PhaseStarted(phase))
