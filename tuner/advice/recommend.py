"""From the trials of a study to recommendations, by what the verification says of them.

The best trial of many is also the luckiest. So candidates are run again beside the default, and
names are given by what the new runs say.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isinf

from tuner.advice.choice import Point, Role, RoleSelector, front
from tuner.advice.paired import (
    PairedMeasurement,
    foreign_share,
    observed_points,
    ratio_to_default,
    verified_points,
)
from tuner.advice.result import Comparison, FrontPoint, Recommendation
from tuner.advice.simplify import Change
from tuner.advice.slo import InfeasibleSlo, check_levels, unmet
from tuner.measure import Measurement
from tuner.search import Objective, ServiceLevel
from tuner.space import Arguments, Configuration
from tuner.study import Record

MAX_CANDIDATES = 6
NEAREST = 3
"""Configurations to run again where none seemed to keep the service levels."""


@dataclass(frozen=True)
class Advice:
    """Recommendations, the front that they are on, and the default they are compared with.

    `unmet` says what binds where nothing keeps the service levels.
    """

    recommended: tuple[Recommendation, ...]
    front: tuple[FrontPoint, ...]
    default: Measurement | None
    unmet: InfeasibleSlo | None = None


def recommend(
    records: Sequence[Record],
    objectives: Sequence[Objective],
    default: Configuration,
    tolerance: float,
    arguments: Callable[[Configuration], Arguments],
    levels: Sequence[ServiceLevel] = (),
    verified: Mapping[Configuration, PairedMeasurement] | None = None,
    left_out: Collection[Configuration] = (),
    changes: Callable[[Configuration], Sequence[Change]] = lambda configuration: (),
) -> Advice:
    """Choose among what was verified, or among the trials where nothing was.

    Args:
        records: the trials.
        objectives: of the study.
        default: the engine's default configuration.
        tolerance: accuracy that a role which promises to keep it may lose, in absolute terms.
        arguments: what the engine is told of a configuration.
        levels: service levels; what does not keep them is never recommended.
        verified: what was run again beside the default, the default itself among it. Without it
            the trials decide, and each recommendation says that it was not verified.
        left_out: trials that do not count, as they failed when they were run again.
        changes: what each difference from the default is worth.
    """
    verified = verified or {}
    told = {r.configuration: r for r in records if r.state == "complete"}
    observed = [
        p
        for p in observed_points(records, objectives, default, levels)
        if p.configuration not in left_out
    ]
    if default not in {p.configuration for p in observed}:
        return Advice((), _front_points(front(observed, objectives), objectives, set()), None)
    search_default = told[default].measurement
    pairs = {
        c: PairedMeasurement(m, search_default)
        for c, r in told.items()
        if (m := r.measurement) and c not in left_out
    } | dict(verified)
    points = verified_points(observed, verified, objectives, default, levels)
    points = [replace(p, slack=0.0) for p in points]
    checked = {c: check_levels(levels, p.measurement, p.default) for c, p in pairs.items()}
    missed = unmet(checked) if levels else None
    eligible = [p for p in points if not verified or p.configuration in verified]
    keeping = points if missed else [p for p in points if p.keeps]
    on_front = front(keeping, objectives)
    roles = _roles(eligible, {p.configuration for p in on_front}, objectives, default, tolerance)
    recommended = tuple(
        Recommendation(
            roles=tuple(names),
            configuration=configuration,
            arguments=arguments(configuration),
            measurement=pairs[configuration].measurement,
            comparisons=comparisons(pairs[configuration], objectives),
            verified=configuration in verified,
            levels=checked[configuration],
            changes=tuple(changes(configuration)),
        )
        for configuration, names in roles.items()
    )
    return Advice(
        recommended,
        _front_points(on_front, objectives, set(verified)),
        pairs[default].measurement,
        missed,
    )


def _roles(
    eligible: Sequence[Point],
    on_front: Collection[Configuration],
    objectives: Sequence[Objective],
    default: Configuration,
    tolerance: float,
) -> dict[Configuration, list[Role]]:
    reference = next(p.values for p in eligible if p.configuration == default)
    chosen = RoleSelector(tuple(objectives), reference, tolerance).choose(eligible)
    # Where only trials that were not run again seem better than all that was, they were lucky, or
    # the machine was quieter then: what was run side by side decides.
    unrivalled = set(on_front).isdisjoint(chosen.values())
    roles: dict[Configuration, list[Role]] = {}
    for role, choice in chosen.items():
        if choice in on_front or unrivalled:
            roles.setdefault(choice, []).append(role)
    return roles


def comparisons(pair: PairedMeasurement, objectives: Sequence[Objective]) -> tuple[Comparison, ...]:
    """Each objective of a configuration against the default's, from paired blocks."""
    measurement, default = pair.measurement, pair.default
    if default is None:
        return ()
    return tuple(
        _comparison(objective, pair, default)
        for objective in objectives
        if objective.metric in measurement.metrics and objective.metric in default.metrics
    )


def _comparison(objective: Objective, pair: PairedMeasurement, default: Measurement) -> Comparison:
    mine = pair.measurement.metrics[objective.metric]
    theirs = default.metrics[objective.metric]
    ratio = ratio_to_default(objective, pair)
    change = None if theirs.value == 0 else mine.value / theirs.value - 1
    graded = objective.kind == "accuracy"
    return Comparison(
        metric=objective.metric,
        unit=mine.unit,
        value=mine.value,
        low=mine.low,
        high=mine.high,
        default=theirs.value,
        change=change if ratio is None else ratio.value - 1,
        change_low=None if ratio is None or isinf(ratio.high) else ratio.low - 1,
        change_high=None if ratio is None or isinf(ratio.high) else ratio.high - 1,
        source=mine.source,
        foreign=0.0 if graded else max(foreign_share(pair.measurement), foreign_share(default)),
    )


def _front_points(
    points: Sequence[Point], objectives: Sequence[Objective], verified: set[Configuration]
) -> tuple[FrontPoint, ...]:
    names = [o.metric for o in objectives]
    return tuple(
        FrontPoint(
            p.configuration,
            dict(zip(names, p.values, strict=True)),
            p.configuration in verified,
        )
        for p in points
    )
