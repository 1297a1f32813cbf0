"""What measures a configuration of a study: an engine with its requests and protocol."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from tuner.advice.promises import check_levels, keeps
from tuner.errors import UserError
from tuner.measure import (
    Dominated,
    Engine,
    Measurement,
    Memory,
    dominated_by,
    measure,
    measure_interleaved,
)
from tuner.measure import Protocol as Rules
from tuner.run.asking import Asking
from tuner.run.drift import Drift
from tuner.run.grading import graded
from tuner.search import Objective, ServiceLevel, goodput_bounds
from tuner.space import Configuration, Space
from tuner.study import Observer, Phase, StudySpec
from tuner.study.records import Record

if TYPE_CHECKING:
    from tuner.engines import CommandEngine

PATIENCE = 4.0
"""The default, and what is verified, may take so many times longer than what is searched."""

TURNS = 4
"""Turns in a round of verification; a launched server, which each turn starts anew, has two."""

REFERENCE_REQUESTS = 4
"""Requests of a reference for drift at least."""

LOAD_SECONDS = 4.0
"""Allowance for loading a candidate's model once more before it is verified."""


class Trials(Protocol):
    """What a bench reads of what is going on: a study, or a comparison."""

    @property
    def space(self) -> Space:
        """What configurations are of."""

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """What is improved."""

    @property
    def outputs(self) -> tuple[Objective, ...]:
        """The objectives, and the metrics that service levels are on."""

    @property
    def complete(self) -> list[Record]:
        """The trials with objective values."""

    @property
    def elapsed(self) -> float:
        """Seconds spent, those before a resumption included."""


class Bench(Protocol):
    """Measures configurations of a study."""

    def measure(self, configuration: Configuration, number: int) -> Measurement:
        """Measure one configuration; `number` makes the seeds of its sampled answers."""

    def measure_again(
        self, configurations: Sequence[Configuration], rounds: int
    ) -> dict[Configuration, Measurement]:
        """Measure configurations beside one another, with seeds that the search never used."""

    def seconds_of_rounds(self, configurations: Sequence[Configuration], rounds: int) -> float:
        """How long that takes, judged by the trials; configurations that were measured."""


class EngineBench:
    """Drives an engine by the protocol.

    A configuration that is dominated for sure is ended early, answers that cannot differ are
    graded once, and the default is measured again now and then, so that a drift of the machine
    can be taken out.
    """

    def __init__(
        self,
        engine: Engine,
        asking: Asking,
        trials: Trials,
        spec: StudySpec,
        levels: Sequence[ServiceLevel],
        observe: Observer,
    ) -> None:
        self._engine = engine
        self._asking = asking
        self._trials = trials
        self._spec = spec
        self._levels = levels
        self._observe = observe
        self._rules = Rules(max_seconds=spec.seconds_per_trial, goodput=goodput_bounds(spec.levels))
        self._memory = Memory(r.measurement for r in trials.complete if r.measurement)
        self._drift = Drift(trials, self._refer)

    def measure(self, configuration: Configuration, number: int) -> Measurement:
        """Measure one configuration; the default has more time, as all are compared with it."""
        space, is_default = self._trials.space, configuration == self._trials.space.default
        arguments = space.arguments(configuration)
        if not is_default:
            self._drift.look()
        seed = hash((self._spec.seed, number)) % 2**31
        began = self._trials.elapsed
        measurement = measure(
            self._engine,
            arguments,
            self._asking.work,
            self._patient if is_default else self._rules,
            seed=seed,
            on_progress=self._phase,
            dominated=None if is_default else self._dominated(),
            memory=self._memory,
            answers_key=self._answers_key(configuration),
        )
        self._require_energy()
        if self._asking.graded is not None:
            measurement = graded(
                self._engine, arguments, measurement, self._asking.graded, seed, self._phase
            )
        return self._drift.taken_out(measurement, (began + self._trials.elapsed) / 2)

    def measure_again(
        self, configurations: Sequence[Configuration], rounds: int
    ) -> dict[Configuration, Measurement]:
        """Measure configurations in interleaved rounds, with seeds that the search never used."""
        arguments = [self._trials.space.arguments(c) for c in configurations]
        seed = self._spec.seed + 2**30
        measurements = measure_interleaved(
            self._engine,
            arguments,
            self._asking.work,
            self._patient,
            rounds=rounds,
            seed=seed,
            on_progress=self._phase,
            turns=2 if self._spec.launch is not None else TURNS,
        )
        if (task := self._asking.graded) is not None:
            measurements = [
                graded(self._engine, told, measurement, task, seed, self._phase)
                for told, measurement in zip(arguments, measurements, strict=True)
            ]
        return dict(zip(configurations, measurements, strict=True))

    def seconds_of_rounds(self, configurations: Sequence[Configuration], rounds: int) -> float:
        """A pass over all requests for each round, and what loading takes.

        An engine of transformers keeps models in memory; a server starts anew for every half of
        a round.
        """
        n, windows = len(self._asking.work), {}
        setups = {}
        for record in self._trials.complete:
            measurement = record.measurement
            if measurement is not None:
                windows[record.configuration] = _pass_seconds(measurement, n)
                setups[record.configuration] = measurement.setup_seconds
        longest = PATIENCE * self._spec.seconds_per_trial
        once = sum(min(windows[c], longest) for c in configurations)
        if self._spec.launch is not None:
            return rounds * (once + 2 * sum(setups[c] for c in configurations))
        return rounds * once + LOAD_SECONDS * len(configurations)

    @property
    def _patient(self) -> Rules:
        """The protocol with time for every prompt where the search has time for some."""
        return replace(self._rules, max_seconds=PATIENCE * self._rules.max_seconds)

    def _refer(self) -> Measurement:
        """The default once more, on as many requests as it answers in about a second."""
        self._phase("the default once more, to see drift")
        default = self._trials.space.default
        trial = next((r for r in self._trials.complete if r.configuration == default), None)
        each_s = _pass_seconds(trial.measurement, 1) if trial and trial.measurement else 0.0
        n = min(len(self._asking.work), max(REFERENCE_REQUESTS, int(1 / (each_s or 1.0))))
        rules = replace(self._patient, min_repeats=3, max_repeats=3)
        work = self._asking.work.select(range(n))
        return measure(self._engine, self._trials.space.arguments(default), work, rules)

    def _require_energy(self) -> None:
        """Refuse to go on where the study is about energy that cannot be seen from here."""
        wanted = [o.metric for o in self._trials.outputs if o.kind == "energy"]
        if wanted and self._engine.device == "elsewhere":
            raise UserError(
                f"{wanted[0]} cannot be measured: the server's processes cannot be seen from here. "
                "Run the tuner on the server's machine, or give other objectives, as in "
                "--objective mean_e2el_ms:min --objective output_throughput:max."
            )

    def _dominated(self) -> Dominated:
        """Whether a trial that keeps the service levels is better for sure."""
        complete = [r for r in self._trials.complete if r.measurement is not None]
        default = next(
            (r.measurement for r in complete if r.configuration == self._trials.space.default),
            None,
        )
        rivals = [
            (f"trial {r.number}", r.measurement)
            for r in complete
            if r.measurement and keeps(check_levels(self._levels, r.measurement, default))
        ]
        directions = {o.metric: o.direction for o in self._trials.objectives}
        return dominated_by(rivals, directions, len(self._asking.work))

    def _answers_key(self, configuration: Configuration) -> Hashable | None:
        return answers_key(
            self._trials.space, configuration, greedy_unasked=not self._spec.is_served
        )

    def _phase(self, text: str) -> None:
        self._observe(Phase(text))


class CommandBench:
    """Calls a command of the user's own."""

    def __init__(self, engine: CommandEngine, trials: Trials, observe: Observer) -> None:
        self._engine = engine
        self._trials = trials
        self._observe = observe

    def measure(self, configuration: Configuration, number: int) -> Measurement:
        """Run the command for one configuration."""
        self._observe(Phase("running the command"))
        return self._engine.measure(self._trials.space.arguments(configuration))

    def measure_again(
        self, configurations: Sequence[Configuration], rounds: int
    ) -> dict[Configuration, Measurement]:
        """Run the command for all configurations in every round."""
        self._observe(Phase(f"{rounds} rounds"))
        arguments = [self._trials.space.arguments(c) for c in configurations]
        found = self._engine.measure_interleaved(arguments, rounds)
        return dict(zip(configurations, found, strict=True))

    def seconds_of_rounds(self, configurations: Sequence[Configuration], rounds: int) -> float:
        """As long as the trials took."""
        took = {
            r.configuration: r.measurement.seconds / max(1, _repeats(r.measurement))
            for r in self._trials.complete
            if r.measurement is not None
        }
        return rounds * sum(took[c] for c in configurations)


def answers_key(
    space: Space, configuration: Configuration, *, greedy_unasked: bool
) -> tuple[tuple[str, Any], ...] | None:
    """All that can change the answers of a configuration; None where they are sampled.

    `greedy_unasked` says what the engine does where neither `do_sample` nor `temperature` is told.
    """
    told = {
        name.rpartition(".")[2]: value
        for name, value in space.arguments(configuration).request.items()
    }
    if "do_sample" in told:
        sampled = bool(told["do_sample"])
    elif "temperature" in told:
        sampled = float(told["temperature"]) > 0
    else:
        sampled = not greedy_unasked
    if sampled:
        return None
    return tuple(
        (p.name, configuration[p.name])
        for p in space.parameters
        if p.name in configuration and (p.affects is None or "accuracy" in p.affects)
    )


def _pass_seconds(measurement: Measurement, n_requests: int) -> float:
    """How long a configuration takes to answer every request once."""
    rate = measurement.metrics.get("request_throughput")
    return n_requests / rate.value if rate is not None and rate.value > 0 else 0.0


def _repeats(measurement: Measurement) -> int:
    return max((len(metric.repeats) for metric in measurement.metrics.values()), default=1)
