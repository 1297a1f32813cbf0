"""A whole study: search, verification, recommendation, and the folder with the results."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np

from tuner.advice.effects import effects
from tuner.advice.export import Exporter, write_result
from tuner.advice.recommend import recommend
from tuner.advice.result import Result
from tuner.measure import Measurement, Meter
from tuner.run.notes import estimated_energy, redundant_objectives
from tuner.run.objectives import levels_of, objectives_of
from tuner.run.setup import StudySetup, set_up
from tuner.run.verification import Verification
from tuner.search import AcquisitionFactory, ServiceLevel
from tuner.space import version_warning
from tuner.study import Notice, Observer, Started, StudySpec
from tuner.study.loop import search
from tuner.study.session import Session, StudyLimits
from tuner.study.storage import locked, open_folder


def run_study(
    spec: StudySpec,
    out: Path | None,
    observe: Observer,
    *,
    acquisition: AcquisitionFactory | None = None,
    exporters: Sequence[Exporter] = (),
    meters: Sequence[Meter] = (),
) -> Result:
    """Run or go on with a study and return what it found; everything is in `out` afterwards.

    Args:
        spec: of the study.
        out: folder of the study; None keeps nothing.
        observe: called with every event.
        acquisition: makes an acquisition function, in place of the one that `spec` names.
        exporters: write further files for each recommendation, beside the backend's own.
        meters: read together, in place of the best ones that work here.

    Raises:
        UserError: for input that cannot be used.
    """
    objectives, levels = objectives_of(spec), levels_of(spec)
    with ExitStack() as stack:
        setup = stack.enter_context(set_up(spec, meters))
        if out is not None:
            open_folder(out, spec)
            stack.enter_context(locked(out))
        session = Session(
            setup.space,
            objectives,
            path=out / "study.db" if out is not None else None,
            seed=spec.seed,
            limits=StudyLimits(spec.max_trials, spec.max_seconds),
            levels=levels,
            cost_aware=spec.max_seconds is not None and spec.backend.policy.restarts,
            acquisition=acquisition or spec.acquisition,
        )
        evaluator = setup.evaluator(session, levels, observe)
        observe(Started(len(session.finished), setup.space.size))
        for notice in setup.notices:
            observe(Notice(notice))
        verification = Verification(spec, session, evaluator, levels)
        reason = search(session, evaluator.measure, observe, verification.reserve)
        result = _conclude(spec, session, levels, verification, reason)
        result = replace(result, notes=(*_releases(setup, result), *result.notes))
    if out is not None:
        _write(result, out, (spec.backend.export, *exporters))
    return result


def _conclude(
    spec: StudySpec,
    session: Session,
    levels: Sequence[ServiceLevel],
    verification: Verification,
    reason: str,
) -> Result:
    """Verify the candidates beside the default and put the result together."""
    advice = recommend(
        session.records,
        session.objectives,
        session.space.default,
        spec.accuracy_tolerance,
        session.space.arguments,
        verification.measure,
        levels,
    )
    return Result(
        recommended=advice.recommended,
        front=advice.front,
        default=session.space.default,
        default_measurement=advice.default,
        trials=tuple(session.records),
        stopped_by=reason,
        objectives=spec.effective_objectives,
        accuracy_tolerance=spec.accuracy_tolerance,
        seconds=session.budget.elapsed_s,
        notes=tuple(_notes(session, advice.default)),
        levels=tuple(level.text for level in levels),
        unmet=advice.unmet,
        effects=effects(session.space, session.objectives, session.records, spec.seed),
    )


def _releases(setup: StudySetup, result: Result) -> tuple[str, ...]:
    """What was noticed at the start, and what the engine that ran says of its release."""
    default = result.default_measurement
    if setup.notices or default is None:
        return setup.notices
    warning = version_warning(setup.model, default.in_force.version)
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
    return [*first, *redundant_objectives(session.objectives, values)]


def _write(result: Result, out: Path, exporters: Sequence[Exporter]) -> None:
    from tuner.report.plot import plot_front

    write_result(result, out, exporters)
    plot_front(result, out / "front.png")
