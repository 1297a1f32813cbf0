"""Ask, tell, and know when to stop: one open study."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tuner.measure import Failure, Measurement
from tuner.search import Objective, ParetoSampler, ServiceLevel, hypervolume_share, non_dominated
from tuner.space import Configuration, Space
from tuner.study import storage
from tuner.study.budget import TimeBudget
from tuner.study.events import Snapshot
from tuner.study.records import Record

if TYPE_CHECKING:
    import optuna

    from tuner.search import AcquisitionFactory, StopStatus


@dataclass(frozen=True)
class StudyLimits:
    """Hard ends beside the stopping rule.

    Attributes:
        max_trials: trials in all, earlier sessions included; None for no limit.
        max_seconds: seconds in all, earlier sessions included; None for no limit.
    """

    max_trials: int | None = None
    max_seconds: float | None = None


@dataclass(frozen=True)
class Ask:
    """A configuration to measure next; hand it back to `tell`."""

    number: int
    configuration: Configuration
    trial: optuna.Trial


class Session:
    """An open study: proposes configurations, takes measurements, says when it is done.

    Everything that it knows is in the storage, so a session opened again goes on where the
    last one stopped and proposes what that one would have proposed.
    """

    def __init__(
        self,
        space: Space,
        objectives: Sequence[Objective],
        *,
        path: Path | str | None = None,
        seed: int = 0,
        limits: StudyLimits | None = None,
        levels: Sequence[ServiceLevel] = (),
        cost_aware: bool = False,
        acquisition: str | AcquisitionFactory | None = None,
        limits_of_interest: Sequence[ServiceLevel] = (),
        began: float | None = None,
    ) -> None:
        self.space = space
        self.objectives = tuple(objectives)
        self.limits = limits or StudyLimits()
        self.sampler = ParetoSampler(
            space,
            self.objectives,
            seed=seed,
            budget=self.limits.max_trials,
            levels=levels,
            cost_aware=cost_aware,
            acquisition=acquisition,
            limits=limits_of_interest,
        )
        self.study = storage.open_study(path, self.objectives, self.sampler)
        self.records: list[Record] = storage.records(self.study)
        spent_s = sum(r.measurement.seconds for r in self.finished if r.measurement)
        self.budget = TimeBudget(self.limits.max_seconds, spent_s=spent_s, began=began)

    @property
    def outputs(self) -> tuple[Objective, ...]:
        """The objectives, and the metrics that service levels are on."""
        return self.sampler.outputs

    @property
    def finished(self) -> list[Record]:
        """The trials with an outcome: complete, pruned or failed, not interrupted."""
        return [record for record in self.records if record.state != "interrupted"]

    @property
    def complete(self) -> list[Record]:
        """The trials with objective values."""
        return [record for record in self.records if record.state == "complete"]

    @property
    def elapsed(self) -> float:
        """Seconds spent, earlier sessions of the study included."""
        return self.budget.elapsed_s

    def ask(self) -> Ask:
        """Propose the next configuration."""
        began = time.perf_counter()
        trial = self.study.ask()
        configuration = self.space.suggest(trial)
        trial.set_user_attr(storage.CONFIGURATION, json.dumps(dict(configuration)))
        trial.set_user_attr(storage.ASK_SECONDS, time.perf_counter() - began)
        return Ask(trial.number, configuration, trial)

    def tell(self, ask: Ask, measurement: Measurement) -> Record:
        """Commit what came of a proposal; it is on disk when this returns."""
        measurement = with_outputs(measurement, self.outputs)
        storage.tell(self.study, ask.trial, measurement, self.objectives, self.outputs)
        record = record_of(ask, measurement, self.objectives)
        self.records.append(record)
        return record

    def give_up(self, ask: Ask) -> None:
        """Note that a proposal was not measured, for want of time; it may be proposed again."""
        import optuna

        self.study.tell(ask.trial, state=optuna.trial.TrialState.FAIL)
        self.records.append(Record(ask.number, ask.configuration, "interrupted", None, ()))

    def status(self) -> StopStatus:
        """What the stopping rule says now."""
        return self.sampler.status(self.study)

    def stopped_by(self, status: StopStatus | None = None) -> str | None:
        """Why the search is over, in one line; None while it is not."""
        limit = self.limits.max_trials
        if limit is not None and len(self.finished) >= limit:
            return f"limit of {limit} trials reached"
        left = self.budget.search_left_s
        if left is not None and left <= 0:
            return f"time limit of {_duration(self.limits.max_seconds or 0.0)} reached"
        status = status or self.status()
        return status.reason if status.done else None

    def snapshot(self, status: StopStatus | None = None) -> Snapshot:
        """Where the search stands."""
        status = status or self.status()
        complete = self.complete
        values = np.array([r.values for r in complete], dtype=float)
        front: set[Configuration] = set()
        share = 0.0
        best: dict[str, float] = {}
        if len(complete):
            mask = non_dominated(values, self.objectives)
            front = {r.configuration for r, on in zip(complete, mask, strict=True) if on}
            share = hypervolume_share(values, self.objectives)
            for column, objective in enumerate(self.objectives):
                pick = min if objective.direction == "min" else max
                best[objective.metric] = pick(values[:, column].tolist())
        ends = [status.progress]
        if self.limits.max_trials:
            ends.append(len(self.finished) / self.limits.max_trials)
        if (limit_s := self.budget.search_limit_s) is not None:
            ends.append(self.elapsed / max(limit_s, 1e-9))
        return Snapshot(
            finished=len(self.finished),
            failed=sum(r.state == "failed" for r in self.records),
            front=len(front),
            hypervolume=share,
            best=best,
            remaining_gain=status.remaining_gain,
            threshold=status.threshold,
            progress=min(1.0, max(ends)),
            elapsed=self.elapsed,
            seconds_left=self.budget.search_left_s,
            verification_seconds=self.budget.reserved_s,
        )


def record_of(ask: Ask, measurement: Measurement, objectives: Sequence[Objective]) -> Record:
    """A proposal and what came of it; the measurement fails or has all the objectives."""
    state = storage.outcome_of(measurement)
    return Record(
        number=ask.number,
        configuration=ask.configuration,
        state=state,
        measurement=measurement,
        values=tuple(measurement.metrics[o.metric].value for o in objectives)
        if state == "complete"
        else (),
        ask_seconds=ask.trial.user_attrs.get(storage.ASK_SECONDS, 0.0),
    )


def _duration(seconds: float) -> str:
    return f"{seconds / 60:g} min" if seconds % 60 == 0 else f"{seconds:g} s"


def with_outputs(measurement: Measurement, outputs: Sequence[Objective]) -> Measurement:
    """The measurement, as a failure where it lacks an objective or a metric with a level."""
    if measurement.failure is not None or measurement.bounds:
        return measurement
    missing = [o.metric for o in outputs if o.metric not in measurement.metrics]
    if not missing and measurement.validity != "invalid":
        return measurement
    lacks = [f"no value for {', '.join(missing)}"] if missing else []
    words = "; ".join([*lacks, *measurement.reasons])
    return replace(measurement, validity="invalid", failure=Failure("wrong_output", words))
