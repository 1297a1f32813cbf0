"""What a running study tells whoever watches it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tuner.measure import Phase
from tuner.space import Configuration
from tuner.study.records import Record


@dataclass(frozen=True)
class Snapshot:
    """Where the search stands.

    Attributes:
        finished: trials with an outcome so far, failed ones included.
        failed: the failed ones among them.
        front: how many different configurations are on the observed front.
        hypervolume: of the observed front, as a share of the box between the worst and the best
            value of every objective seen so far (logarithmic for positive ones); it moves when
            the box does.
        best: the best value seen of each objective, by metric.
        remaining_gain: what the model expects a further search to add, as a share of the front's
            hypervolume; None before there is a model.
        threshold: the share under which the search ends.
        progress: how close the nearest end is, in [0, 1].
        elapsed: seconds spent, earlier sessions of the study included.
        seconds_left: that the search has; None without a time limit.
        verification_seconds: that are kept for the verification after it.
    """

    finished: int
    failed: int
    front: int
    hypervolume: float
    best: Mapping[str, float]
    remaining_gain: float | None
    threshold: float
    progress: float
    elapsed: float
    seconds_left: float | None
    verification_seconds: float = 0.0


@dataclass(frozen=True)
class Started:
    """The study is open; `resumed` trials were found on disk."""

    resumed: int
    size: int


@dataclass(frozen=True)
class Notice:
    """Something about the study that its user should know."""

    text: str


@dataclass(frozen=True)
class TrialStarted:
    """A configuration is about to be measured."""

    number: int
    configuration: Configuration


@dataclass(frozen=True)
class PhaseStarted:
    """What is done with the present configuration, or in verification, has begun."""

    phase: Phase


@dataclass(frozen=True)
class TrialFinished:
    """A trial has an outcome, which is on disk."""

    record: Record
    snapshot: Snapshot


@dataclass(frozen=True)
class SearchEnded:
    """The search is over; `reason` says why in one line."""

    reason: str


Event = Started | Notice | TrialStarted | PhaseStarted | TrialFinished | SearchEnded
Observer = Callable[[Event], None]
