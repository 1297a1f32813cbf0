"""A whole study: search, verification, recommendation, and the folder with the results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from tuner.advice.choice import Chooser
from tuner.advice.effects import effects
from tuner.advice.export import write_result
from tuner.advice.recommend import MAX_CANDIDATES, observed_points, recommend
from tuner.advice.result import Result
from tuner.measure import Measurement
from tuner.run.aims import levels_of, objectives_of, open_folder
from tuner.run.bench import Bench
from tuner.run.notes import estimated_energy, in_disguise
from tuner.run.setting import Setting, setting_of
from tuner.search import Objective, ServiceLevel
from tuner.space import Configuration, version_warning
from tuner.study import Noticed, Observer, Started, StudySpec
from tuner.study.loop import search
from tuner.study.session import Limits, Session
from tuner.study.storage import locked

LEAST_ROUNDS = 2
"""Fewer give no interval. The first batch has them even where that overruns the time limit."""

FIRST_BATCH = 0.75
"""Share of the time left that a batch of verifications may take: another one may follow."""

VERIFYING = 0.4
"""Share of a time limit that is kept for verification at most."""


def run_study(spec: StudySpec, out: Path | None, observe: Observer) -> Result:
    """Run or go on with a study and return what it found; everything is in `out` afterwards.

    Raises:
        UserError: for input that cannot be used.
    """
    objectives, levels = objectives_of(spec), levels_of(spec)
    with ExitStack() as stack:
        setting = stack.enter_context(setting_of(spec))
        if out is not None:
            open_folder(out, spec)
            stack.enter_context(locked(out))
        session = Session(
            setting.space,
            objectives,
            path=out / "study.db" if out is not None else None,
            seed=spec.seed,
            limits=Limits(spec.max_trials, spec.max_seconds),
            levels=levels,
            cost_aware=spec.max_seconds is not None and spec.launch is not None,
            acquisition=spec.acquisition,
        )
        bench = setting.bench(session, levels, observe)
        observe(Started(len(session.told), setting.space.size))
        for notice in setting.notices:
            observe(Noticed(notice))
        reserve = partial(_reserve, spec, objectives, levels, bench)
        reason = search(session, bench.measure, observe, reserve)
        result = _conclude(spec, session, levels, bench, reason)
        result = replace(result, notes=(*_releases(setting, result), *result.notes))
    if out is not None:
        _write(result, out)
    return result


def _reserve(
    spec: StudySpec,
    objectives: Sequence[Objective],
    levels: Sequence[ServiceLevel],
    bench: Bench,
    session: Session,
) -> float:
    """Seconds that verifying the present candidates would take."""
    default_configuration = session.space.default
    points = observed_points(session.complete, objectives, default_configuration, levels)
    default = next((p for p in points if p.configuration == default_configuration), None)
    if default is None:
        return 0.0
    chooser = Chooser(tuple(objectives), default.values, spec.accuracy_tolerance)
    wanted = {default.configuration, *chooser.candidates(points, MAX_CANDIDATES)}
    # A second batch (a runner-up that the verification puts ahead) costs about half again.
    needed = 1.5 * bench.seconds_of_rounds(list(wanted), spec.verify_rounds)
    return min(needed, VERIFYING * spec.max_seconds) if spec.max_seconds else needed


def _rounds(
    spec: StudySpec, session: Session, bench: Bench, configurations: Sequence[Configuration]
) -> int:
    """How many rounds of these configurations the time limit has room for."""
    if spec.max_seconds is None:
        return spec.verify_rounds
    left = FIRST_BATCH * (spec.max_seconds - session.elapsed)
    fitting = range(spec.verify_rounds, 0, -1)
    return next((n for n in fitting if bench.seconds_of_rounds(configurations, n) <= left), 0)


def _conclude(
    spec: StudySpec,
    session: Session,
    levels: Sequence[ServiceLevel],
    bench: Bench,
    reason: str,
) -> Result:
    """Verify the candidates beside the default and put the result together."""
    batches = 0

    def verify(configurations: Sequence[Configuration]) -> Mapping[Configuration, Measurement]:
        nonlocal batches
        rounds = _rounds(spec, session, bench, configurations)
        rounds = rounds if batches else max(rounds, LEAST_ROUNDS)
        batches += 1
        return bench.measure_again(configurations, rounds) if rounds >= LEAST_ROUNDS else {}

    advice = recommend(
        session.records,
        session.objectives,
        session.space.default,
        spec.accuracy_tolerance,
        session.space.arguments,
        verify,
        levels,
    )
    return Result(
        recommended=advice.recommended,
        front=advice.front,
        default=session.space.default,
        default_measurement=advice.default,
        trials=tuple(session.records),
        stopped_by=reason,
        objectives=spec.aims,
        accuracy_tolerance=spec.accuracy_tolerance,
        seconds=session.elapsed,
        notes=tuple(_notes(session, advice.default)),
        levels=tuple(level.text for level in levels),
        unmet=advice.unmet,
        effects=effects(session.space, session.objectives, session.records, spec.seed),
    )


def _releases(setting: Setting, result: Result) -> tuple[str, ...]:
    """What was noticed at the start, and what the engine that ran says of its release."""
    told = (
        result.default_measurement.settings.get("version") if result.default_measurement else None
    )
    if setting.notices or setting.model is None or not isinstance(told, str):
        return setting.notices
    warning = version_warning(setting.model, told)
    return (warning,) if warning else ()


def _notes(session: Session, default: Measurement | None) -> list[str]:
    """What a reader of the result has to know before believing it."""
    values = np.array([record.values for record in session.complete], dtype=float)
    if default is None:
        first = [
            "The engine's default configuration could not be measured, so nothing is recommended "
            "against it; see its trial for the cause."
        ]
    else:
        first = estimated_energy(default)
    return [*first, *in_disguise(session.objectives, values)]


def _write(result: Result, out: Path) -> None:
    from tuner.report.plot import plot_front

    write_result(result, out)
    plot_front(result, out / "front.png")
