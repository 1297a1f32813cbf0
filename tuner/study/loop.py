"""The search loop: propose, measure, tell, until the front is stable or a limit is reached."""

from __future__ import annotations

from collections.abc import Callable

from tuner.measure import InterruptedRun, KeepGoing, Measurement
from tuner.space import Configuration
from tuner.study.events import Observer, SearchEnded, TrialFinished, TrialStarted
from tuner.study.session import Session

Measure = Callable[[Configuration, int, KeepGoing | None], Measurement]
"""Measures a configuration; the number is the trial's, for the seeds of sampled answers. Raises
`InterruptedRun` where it was told to give up before anything was known."""


def search(
    session: Session,
    measure: Measure,
    observe: Observer,
    reserve: Callable[[], None] = lambda: None,
) -> str:
    """Run the study until it ends; returns the reason in one line.

    `reserve` is called before the first and after each trial, to keep time in the session's budget
    for the verification that follows.
    """
    reserve()
    status = session.status()
    while (reason := session.stopped_by(status)) is None:
        ask = session.ask()
        observe(TrialStarted(ask.number, ask.configuration))
        try:
            measurement = measure(ask.configuration, ask.number, session.budget.time_to_search)
        except InterruptedRun:
            session.give_up(ask)
            continue
        record = session.tell(ask, measurement)
        reserve()
        status = session.status()
        observe(TrialFinished(record, session.snapshot(status)))
    observe(SearchEnded(reason))
    return reason
