"""Measures configurations by driving an engine with the requests of a study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tuner.errors import UserError
from tuner.measure import (
    DriftReference,
    Engine,
    Measurement,
    MeasurementProtocol,
    Memory,
    Metering,
    Phase,
    measure,
    measure_interleaved,
)
from tuner.run.answer_reuse import answers_key
from tuner.run.drift_correction import DriftCorrection
from tuner.run.early_stopping import dominated_in
from tuner.run.evaluator import TrialHistory
from tuner.run.grading import graded
from tuner.run.request_set import RequestSet
from tuner.run.round_cost import pass_seconds, seconds_of_rounds
from tuner.run.seeds import trial_seed, verification_seed
from tuner.search import ServiceLevel, goodput_bounds
from tuner.space import Configuration
from tuner.study import Observer, PhaseStarted, StudySpec

PATIENCE = 4.0
"""The default, and what is verified, may take so many times longer than what is searched."""

REFERENCE_REQUESTS = 4
"""Requests of a reference for drift at least."""


class EngineEvaluator:
    """Drives an engine by the measurement protocol.

    A configuration that is dominated for sure is ended early, answers that cannot differ are
    graded once, and the default is measured again now and then, so that a drift of the machine
    can be taken out.
    """

    def __init__(
        self,
        engine: Engine,
        metering: Metering,
        requests: RequestSet,
        history: TrialHistory,
        spec: StudySpec,
        levels: Sequence[ServiceLevel],
        observe: Observer,
    ) -> None:
        self._engine = engine
        self._metering = metering
        self._requests = requests
        self._history = history
        self._spec = spec
        self._policy = spec.backend.policy
        self._levels = levels
        self._observe = observe
        self._protocol = MeasurementProtocol(
            max_seconds=spec.seconds_per_trial, goodput=goodput_bounds(spec.levels)
        )
        self._patient = replace(self._protocol, max_seconds=PATIENCE * spec.seconds_per_trial)
        self._memory = Memory(r.measurement for r in history.complete if r.measurement)
        self._drift = DriftCorrection(history, self._measure_reference)

    def measure(self, configuration: Configuration, number: int) -> Measurement:
        """Measure one configuration; the default has more time, as all are compared with it."""
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
            dominated=None if is_default else dominated_in(self._history, self._levels, len(work)),
            memory=self._memory,
            answers_key=answers_key(
                space, configuration, greedy_by_default=self._policy.greedy_by_default
            ),
        )
        self._require_energy()
        if self._requests.graded is not None:
            measurement = graded(
                self._engine, arguments, measurement, self._requests.graded, seed, self._on_phase
            )
        return self._drift.correct(measurement, (began + self._history.elapsed) / 2)

    def measure_again(
        self, configurations: Sequence[Configuration], rounds: int
    ) -> dict[Configuration, Measurement]:
        """Measure configurations in interleaved rounds, with seeds that the search never used."""
        arguments = [self._history.space.arguments(c) for c in configurations]
        seed = verification_seed(self._spec.seed)
        measurements = measure_interleaved(
            self._engine,
            self._metering,
            arguments,
            self._requests.work,
            self._patient,
            rounds=rounds,
            seed=seed,
            on_phase=self._on_phase,
            turns=self._policy.turns_per_round,
        )
        if (task := self._requests.graded) is not None:
            measurements = [
                graded(self._engine, one, measurement, task, seed, self._on_phase)
                for one, measurement in zip(arguments, measurements, strict=True)
            ]
        return dict(zip(configurations, measurements, strict=True))

    def seconds_of_rounds(self, configurations: Sequence[Configuration], rounds: int) -> float:
        """How long `measure_again` takes, judged by the trials."""
        return seconds_of_rounds(
            self._history,
            configurations,
            rounds,
            n_requests=len(self._requests.work),
            longest_pass_s=self._patient.max_seconds,
            policy=self._policy,
        )

    def _measure_reference(self) -> Measurement:
        """The default once more, on as many requests as it answers in about a second."""
        self._on_phase(DriftReference())
        space, work = self._history.space, self._requests.work
        trials = self._history.complete
        trial = next((r for r in trials if r.configuration == space.default), None)
        each_s = pass_seconds(trial.measurement, 1) if trial and trial.measurement else 0.0
        n = min(len(work), max(REFERENCE_REQUESTS, int(1 / (each_s or 1.0))))
        protocol = replace(self._patient, min_repeats=3, max_repeats=3)
        arguments = space.arguments(space.default)
        return measure(self._engine, self._metering, arguments, work.select(range(n)), protocol)

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
