"""The loop: ask, measure, tell, resume; the specification of a study.

`tuner.study.session` and `tuner.study.loop` do the work and load numpy and Optuna; the names
here are cheap.
"""

from tuner.study.events import (
    Event,
    Notice,
    Observer,
    PhaseStarted,
    SearchEnded,
    Snapshot,
    Started,
    TrialFinished,
    TrialStarted,
)
from tuner.study.records import Record, State
from tuner.study.spec import DEFAULT_OBJECTIVES, StudySpec

__all__ = [
    "DEFAULT_OBJECTIVES",
    "Event",
    "Notice",
    "Observer",
    "PhaseStarted",
    "Record",
    "SearchEnded",
    "Snapshot",
    "Started",
    "State",
    "StudySpec",
    "TrialFinished",
    "TrialStarted",
]
