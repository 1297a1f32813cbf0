"""A whole study: search, verification, recommendation, and the folder with the results."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from tuner.advice.choice import Chooser
from tuner.advice.export import write_result
from tuner.advice.recommend import MAX_CANDIDATES, observed_points, recommend
from tuner.advice.result import Result
from tuner.engines import TransformersEngine
from tuner.errors import UserError
from tuner.measure import Measurement, Protocol, measure, measure_interleaved
from tuner.measure.metrics import METRICS
from tuner.search import Objective
from tuner.space import Configuration, SearchSpace, environment_pins, load_model
from tuner.study import Observer, Phase, Record, Started, StudySpec
from tuner.study.loop import search
from tuner.study.models import resolve_models, study_domains
from tuner.study.session import Limits, Session
from tuner.study.storage import locked
from tuner.tasks import Task, builtin_task, read_task

LOAD_SECONDS = 4.0
"""Allowance for loading a candidate's model once more before it is verified."""

LEAST_ROUNDS = 2
"""Fewer give no interval. The first batch has them even where that overruns the time limit."""

FIRST_BATCH = 0.75
"""Share of the time left that a batch of verifications may take: another one may follow."""

PATIENCE = 4.0
"""The default, and what is verified, may take so many times longer than what is searched."""

DISGUISE = 0.98
"""Rank correlation from which two objectives are called the same thing in disguise."""


@dataclass(frozen=True)
class Bench:
    """What measures: the engine with its task, space and protocol."""

    engine: TransformersEngine
    task: Task
    space: SearchSpace
    protocol: Protocol
    seed: int
    observe: Observer

    def measure(self, configuration: Configuration, number: int) -> Measurement:
        """Measure one configuration; `number` makes the seeds of its sampled answers.

        The default has more time than others: everything is compared with it.
        """
        is_default = configuration == self.space.default
        return measure(
            self.engine,
            self.space.arguments(configuration),
            self.task,
            self._patient if is_default else self.protocol,
            seed=hash((self.seed, number)) % 2**31,
            on_progress=self._phase,
        )

    def measure_again(
        self, configurations: Sequence[Configuration], rounds: int
    ) -> dict[Configuration, Measurement]:
        """Measure configurations in interleaved rounds, with seeds that the search never used."""
        measurements = measure_interleaved(
            self.engine,
            [self.space.arguments(c) for c in configurations],
            self.task,
            self._patient,
            rounds=rounds,
            seed=self.seed + 2**30,
            on_progress=self._phase,
        )
        return dict(zip(configurations, measurements, strict=True))

    @property
    def _patient(self) -> Protocol:
        """The protocol with time for every prompt where the search has time for some."""
        return replace(self.protocol, max_seconds=PATIENCE * self.protocol.max_seconds)

    def _phase(self, text: str) -> None:
        self.observe(Phase(text))


def run_study(spec: StudySpec, out: Path | None, observe: Observer) -> Result:
    """Run or go on with a study and return what it found; everything is in `out` afterwards.

    Raises:
        UserError: for input that cannot be used.
    """
    objectives = tuple(_objective(text) for text in spec.objectives)
    task = builtin_task(n=spec.n_prompts) if spec.task == "builtin" else read_task(Path(spec.task))
    models = resolve_models(spec.models, spec.trust_remote_code)
    model = load_model(spec.space)
    pins = {**environment_pins(model), **spec.pins}
    space = SearchSpace.from_model(model, pins=pins, domains=study_domains(model, models))
    with ExitStack() as stack:
        if out is not None:
            _open_folder(out, spec)
            stack.enter_context(locked(out))
        session = Session(
            space,
            objectives,
            path=out / "study.db" if out is not None else None,
            seed=spec.seed,
            limits=Limits(spec.max_trials, spec.max_seconds),
        )
        engine = stack.enter_context(TransformersEngine(trust_remote_code=spec.trust_remote_code))
        protocol = Protocol(max_seconds=spec.seconds_per_trial)
        bench = Bench(engine, task, space, protocol, spec.seed, observe)
        observe(Started(len(session.told), space.size))
        reason = search(session, bench.measure, observe, _reserve(spec, objectives, len(task)))
        result = _conclude(spec, session, bench, reason)
    if out is not None:
        _write(result, out)
    return result


def _objective(text: str) -> Objective:
    """An objective on a metric that a measurement can have."""
    objective = Objective.parse(text)
    if objective.metric not in METRICS:
        close = get_close_matches(objective.metric, METRICS, 3, 0.4) or METRICS
        raise UserError(
            f"there is no metric {objective.metric} (in --objective {text}); "
            f"did you mean {', '.join(close)}?"
        )
    return objective


def _open_folder(out: Path, spec: StudySpec) -> None:
    """Make the folder of a study, or check that the study in it is the one that is meant."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        path = out / "spec.json"
        if path.exists():
            spec.require_same(StudySpec.load(path), out)
        spec.save(path)
    except OSError as error:
        raise UserError(
            f"--out {out} cannot be used as a folder ({error.strerror}); give another one."
        ) from error


def _pass_seconds(record: Record, n_prompts: int) -> float:
    """How long this configuration takes to answer every prompt once."""
    measurement = record.measurement
    if measurement is None or measurement.energy is None:
        return 0.0
    answered = max(1, len(measurement.scores))
    return measurement.energy.window_s * max(1.0, n_prompts / answered)


def _round_seconds(
    spec: StudySpec, session: Session, configurations: Iterable[Configuration], n_prompts: int
) -> float:
    """How long one round of verifying these measured configurations takes."""
    window = {r.configuration: _pass_seconds(r, n_prompts) for r in session.complete}
    longest = PATIENCE * spec.seconds_per_trial
    return sum(min(window[c], longest) for c in configurations)


def _reserve(
    spec: StudySpec, objectives: Sequence[Objective], n_prompts: int
) -> Callable[[Session], float]:
    """Seconds that verifying the present candidates would take."""

    def seconds(session: Session) -> float:
        points = observed_points(session.complete, objectives)
        default = next((p for p in points if p.configuration == session.space.default), None)
        if default is None:
            return 0.0
        chooser = Chooser(tuple(objectives), default.values, spec.accuracy_tolerance)
        wanted = {default.configuration, *chooser.candidates(points, MAX_CANDIDATES)}
        once = _round_seconds(spec, session, wanted, n_prompts)
        # A second batch (a runner-up that the verification puts ahead) costs about half again.
        needed = 1.5 * (spec.verify_rounds * once + LOAD_SECONDS * len(wanted))
        return min(needed, 0.6 * spec.max_seconds) if spec.max_seconds else needed

    return seconds


def _rounds(
    spec: StudySpec, session: Session, configurations: Sequence[Configuration], n_prompts: int
) -> int:
    """How many rounds of these configurations the time limit has room for."""
    if spec.max_seconds is None:
        return spec.verify_rounds
    once = _round_seconds(spec, session, configurations, n_prompts)
    left = spec.max_seconds - session.elapsed - LOAD_SECONDS * len(configurations)
    return min(spec.verify_rounds, int(FIRST_BATCH * left / max(once, 1e-9)))


def _conclude(spec: StudySpec, session: Session, bench: Bench, reason: str) -> Result:
    """Verify the candidates beside the default and put the result together."""
    batches = 0

    def verify(configurations: Sequence[Configuration]) -> Mapping[Configuration, Measurement]:
        nonlocal batches
        rounds = _rounds(spec, session, configurations, len(bench.task))
        rounds = rounds if batches else max(rounds, LEAST_ROUNDS)
        batches += 1
        return bench.measure_again(configurations, rounds) if rounds >= LEAST_ROUNDS else {}

    advice = recommend(
        session.records,
        session.objectives,
        session.space.default,
        spec.accuracy_tolerance,
        bench.space.arguments,
        verify,
    )
    return Result(
        recommended=advice.recommended,
        front=advice.front,
        default=session.space.default,
        default_measurement=advice.default,
        trials=tuple(session.records),
        stopped_by=reason,
        objectives=spec.objectives,
        accuracy_tolerance=spec.accuracy_tolerance,
        seconds=session.elapsed,
        notes=tuple(_notes(session, advice.default)),
    )


def _notes(session: Session, default: Measurement | None) -> list[str]:
    """What a reader of the result has to know before believing it."""
    notes: list[str] = []
    if default is None:
        notes.append(
            "The engine's default configuration could not be measured, so nothing is recommended "
            "against it; see its trial for the cause."
        )
    elif default.energy is not None and default.energy.energy_source == "estimated":
        parameters = ", ".join(f"{k} = {v:g}" for k, v in default.energy.parameters.items())
        notes.append(
            f"Energy is estimated, not measured ({default.energy.energy_scope}; {parameters}): "
            "ratios between configurations mean more than the joules."
        )
    values = np.array([r.values for r in session.complete], dtype=float)
    for i, first in enumerate(session.objectives):
        for j in range(i + 1, len(session.objectives)):
            rho = _rank_correlation(values[:, i], values[:, j]) if len(values) >= 8 else 0.0
            if abs(rho) >= DISGUISE:
                notes.append(
                    f"{first.metric} and {session.objectives[j].metric} rank the configurations "
                    f"alike (rank correlation {rho:.2f}): they are nearly one objective here."
                )
    return notes


def _rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    from scipy.stats import spearmanr

    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return float(spearmanr(a, b).statistic)


def _write(result: Result, out: Path) -> None:
    from tuner.report.plot import plot_front

    write_result(result, out)
    plot_front(result, out / "front.png")
