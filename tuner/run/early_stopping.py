"""When a configuration need not be measured to the end."""

from __future__ import annotations

from collections.abc import Sequence

from tuner.advice.slo import check_levels, satisfies
from tuner.measure import EarlyEnd, Limit, Measurement, dominated_by
from tuner.run.evaluator import TrialHistory
from tuner.search import Objective, ServiceLevel


def early_end(
    history: TrialHistory,
    levels: Sequence[ServiceLevel],
    limits: Sequence[ServiceLevel],
    n_requests: int,
) -> EarlyEnd:
    """What ends a measurement, by what was measured so far.

    Args:
        history: the trials so far.
        levels: only a trial that keeps these dominates anything.
        limits: beyond them nobody is interested; relative ones need the default's measurement.
        n_requests: of a whole pass.
    """
    complete = [r for r in history.complete if r.measurement is not None]
    default = next(
        (r.measurement for r in complete if r.configuration == history.space.default), None
    )
    rivals = [
        (f"trial {r.number}", r.measurement)
        for r in complete
        if r.measurement and satisfies(check_levels(levels, r.measurement, default))
    ]
    directions = {o.metric: o.direction for o in history.objectives}
    return EarlyEnd(
        dominated=dominated_by(rivals, directions, n_requests),
        contends=lambda mine: (
            not any(_seems_better(rival, mine, history.objectives) for _, rival in rivals)
        ),
        limits=_limits(limits, default),
    )


def _limits(limits: Sequence[ServiceLevel], default: Measurement | None) -> tuple[Limit, ...]:
    metrics = default.metrics if default is not None else {}
    found = []
    for limit in limits:
        reference = metrics.get(limit.metric)
        value = limit.limit(reference.value if reference is not None else None)
        if value is not None:
            found.append(Limit(limit.metric, limit.direction, value))
    return tuple(found)


def _seems_better(rival: Measurement, mine: Measurement, objectives: Sequence[Objective]) -> bool:
    """Whether a rival is ahead in every objective, by the prompts that both have answered."""
    shared = min(len(rival.scores), len(mine.scores))
    for objective in objectives:
        if objective.kind == "accuracy" and shared:
            ahead = sum(rival.scores[:shared]) >= sum(mine.scores[:shared])
        elif objective.metric in rival.metrics and objective.metric in mine.metrics:
            theirs, ours = (m.metrics[objective.metric].value for m in (rival, mine))
            ahead = theirs <= ours if objective.direction == "min" else theirs >= ours
        else:
            return False
        if not ahead:
            return False
    return True
