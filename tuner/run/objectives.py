"""What a specification asks for, checked before anything is measured."""

from __future__ import annotations

from difflib import get_close_matches

from tuner.errors import UserError
from tuner.metrics import METRICS
from tuner.search import Objective, ServiceLevel, check_limits, parse_levels
from tuner.study import StudySpec


def objectives_of(spec: StudySpec) -> tuple[Objective, ...]:
    """The objectives, each on a metric that a measurement of this study can have."""
    objectives = tuple(Objective.parse(text) for text in spec.effective_objectives)
    for objective, text in zip(objectives, spec.effective_objectives, strict=True):
        _require_known(objective.metric, f"--objective {text}", spec)
    return objectives


def levels_of(spec: StudySpec) -> tuple[ServiceLevel, ...]:
    """The service levels, each on a metric that a measurement of this study can have."""
    levels = parse_levels(spec.levels)
    for level in levels:
        _require_known(level.metric, f"--slo {level.text}", spec)
    return levels


def _require_known(metric: str, where: str, spec: StudySpec) -> None:
    """Refuse a metric that no measurement of this study can have; a command may print any."""
    if spec.backend.policy.measures_itself:
        return
    if metric not in METRICS:
        close = get_close_matches(metric, METRICS, 3, 0.4) or METRICS
        raise UserError(
            f"there is no metric {metric} (in {where}); did you mean {', '.join(close)}?"
        )
    if metric == "accuracy" and spec.task is None:
        raise UserError(
            f"{where} needs graded answers: give --task FILE, prompts with reference answers."
        )


def limits_of_interest(spec: StudySpec) -> tuple[ServiceLevel, ...]:
    """The limits of interest; UserError for one that is on no objective."""
    limits = spec.effective_limits
    check_limits(limits, objectives_of(spec))
    return limits
