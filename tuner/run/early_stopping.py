"""When a configuration need not be measured to the end: another one is better for sure."""

from __future__ import annotations

from collections.abc import Sequence

from tuner.advice.slo import check_levels, satisfies
from tuner.measure import Dominated, dominated_by
from tuner.run.evaluator import TrialHistory
from tuner.search import ServiceLevel


def dominated_in(
    history: TrialHistory, levels: Sequence[ServiceLevel], n_requests: int
) -> Dominated:
    """A test whether a trial that keeps the service levels dominates what was measured so far."""
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
    return dominated_by(rivals, directions, n_requests)
