"""A whole study: search, verification, recommendation, and the folder with the results."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack, nullcontext, suppress
from pathlib import Path

from tuner.advice.export import Exporter, write_result
from tuner.advice.result import Result
from tuner.errors import UserError
from tuner.measure import Meter
from tuner.run.advisor import Advisor
from tuner.run.ending import cause_of, exit_on_sigterm, is_disk_full, reserved_space
from tuner.run.objectives import levels_of, limits_of_interest, objectives_of
from tuner.run.setup import set_up
from tuner.run.verification import Verification
from tuner.run.verification_log import VerificationLog
from tuner.search import AcquisitionFactory
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
    began: float | None = None,
) -> Result:
    """Run or go on with a study and return what it found; everything is in `out` afterwards.

    Whatever ends it, Ctrl-C and SIGTERM included, `out` then holds a result with what is known.

    Args:
        spec: of the study.
        out: folder of the study; None keeps nothing.
        observe: called with every event.
        acquisition: makes an acquisition function, in place of the one that `spec` names.
        exporters: write further files for each recommendation, beside the backend's own.
        meters: read together, in place of the best ones that work here.
        began: when the program was started, by `time.monotonic`: from then on the time limit
            counts. None for now.

    Raises:
        UserError: for input that cannot be used, and for a disk that is full.
    """
    began = time.monotonic() if began is None else began
    levels, limits = levels_of(spec), limits_of_interest(spec)
    with ExitStack() as stack:
        stack.enter_context(exit_on_sigterm())
        setup = stack.enter_context(set_up(spec, meters))
        if out is not None:
            open_folder(out, spec)
            stack.enter_context(locked(out))
        session = Session(
            setup.space,
            objectives_of(spec),
            path=out / "study.db" if out is not None else None,
            seed=spec.seed,
            limits=StudyLimits(spec.max_trials, spec.max_seconds),
            levels=levels,
            cost_aware=spec.max_seconds is not None,
            acquisition=acquisition or spec.acquisition,
            limits_of_interest=limits,
            began=began,
        )
        evaluator = setup.evaluator(session, levels, limits, observe)
        advisor = Advisor(spec, session, levels)
        log = VerificationLog(out / "verification.jsonl" if out is not None else None)
        verification = Verification(
            spec, session, evaluator, levels, observe, log, advisor.simplified
        )
        try:
            with reserved_space(out) if out is not None else nullcontext():
                observe(Started(len(session.finished), setup.space.size))
                for notice in setup.notices:
                    observe(Notice(notice))
                reason = search(session, evaluator.measure, observe, verification.reserve)
                verification.run(use_all_time=not session.budget.time_to_search())
        except BaseException as error:
            if out is not None:
                words = f"ended by {cause_of(error)}"
                known = advisor.result(verification, setup, words, explain=False)
                with suppress(OSError):  # what ended the study is what matters
                    _write(known, out, ())
            if out is not None and is_disk_full(error):
                raise UserError(
                    f"the disk of {out} is full; make room and give the same command again. What "
                    "was measured before is kept, and result.json says what is known."
                ) from error
            raise
    result = advisor.result(verification, setup, reason)
    if out is not None:
        _write(result, out, (spec.backend.export, *exporters))
    return result


def _write(result: Result, out: Path, exporters: Sequence[Exporter]) -> None:
    write_result(result, out, exporters)
    if exporters:
        from tuner.report.plot import plot_front

        plot_front(result, out / "front.png")
