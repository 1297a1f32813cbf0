"""From the trials of a study to verified recommendations.

The best trial of many is also the luckiest. So candidates are run again beside the default, and
names are given by what the new runs say. Where that puts a trial that was not run again ahead of
a candidate, this trial is run again too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from tuner.advice.choice import Point, Role, RoleSelector, front, merge
from tuner.advice.result import Comparison, FrontPoint, Recommendation
from tuner.advice.slo import InfeasibleSlo, LevelCheck, check_levels, closest, satisfies, unmet
from tuner.measure import Measurement, Metric, accuracy_difference, compare
from tuner.search import Objective, ServiceLevel
from tuner.space import Arguments, Configuration
from tuner.study import Record

Verify = Callable[[Sequence[Configuration]], Mapping[Configuration, Measurement]]
"""Runs configurations again, interleaved; the default is always among them and comes first."""

MAX_CANDIDATES = 6
MAX_BATCHES = 3
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


@dataclass(frozen=True)
class PairedMeasurement:
    """A configuration's measurement, and the default's from the same rounds."""

    measurement: Measurement
    default: Measurement | None


def recommend(
    records: Sequence[Record],
    objectives: Sequence[Objective],
    default: Configuration,
    tolerance: float,
    arguments: Callable[[Configuration], Arguments],
    verify: Verify | None = None,
    levels: Sequence[ServiceLevel] = (),
) -> Advice:
    """Choose, verify, and choose again by what the verification says.

    `verify` None recommends by the trials alone, and says so in each recommendation. What does
    not keep the service levels is never recommended.
    """
    told = {r.configuration: r for r in records if r.state == "complete"}
    observed = {p.configuration: p for p in observed_points(records, objectives, default, levels)}
    if default not in observed:
        points = front(list(observed.values()), objectives)
        return Advice((), _front_points(points, objectives, set()), None)
    pairs = {
        c: PairedMeasurement(m, told[default].measurement)
        for c, r in told.items()
        if (m := r.measurement)
    }
    verified: dict[Configuration, PairedMeasurement] = {}
    if verify:
        near = closest(_checked(pairs, levels), NEAREST) if levels else []
        verified, broken = _verified(observed, objectives, default, tolerance, verify, levels, near)
        observed = {c: p for c, p in observed.items() if c not in broken}
    points = [
        _point(c, verified[c], objectives, levels) if c in verified else replace(p, slack=0.0)
        for c, p in observed.items()
    ]
    if verify and default not in verified:
        return Advice((), _front_points(front(points, objectives), objectives, set()), None)
    pairs |= verified
    pairs = {c: pair for c, pair in pairs.items() if c in observed}
    checked = _checked(pairs, levels)
    missed = unmet(checked) if levels else None
    eligible = [p for p in points if not verify or p.configuration in verified]
    reference = next(p.values for p in eligible if p.configuration == default)
    keeping = points if missed else [p for p in points if p.keeps]
    on_front = {p.configuration for p in front(keeping, objectives)}
    chosen = RoleSelector(tuple(objectives), reference, tolerance).choose(eligible)
    # Where only trials that were not run again seem better than all that was, they were lucky, or
    # the machine was quieter then: what was run side by side decides.
    unrivalled = on_front.isdisjoint(chosen.values())
    roles: dict[Configuration, list[Role]] = {}
    for role, choice in chosen.items():
        if choice in on_front or unrivalled:
            roles.setdefault(choice, []).append(role)
    recommended = tuple(
        Recommendation(
            roles=tuple(names),
            configuration=configuration,
            arguments=arguments(configuration),
            measurement=pairs[configuration].measurement,
            comparisons=comparisons(pairs[configuration], objectives),
            verified=configuration in verified,
            levels=checked[configuration],
        )
        for configuration, names in roles.items()
    )
    return Advice(
        recommended,
        _front_points(front(keeping, objectives), objectives, set(verified)),
        pairs[default].measurement,
        missed,
    )


def _checked(
    pairs: Mapping[Configuration, PairedMeasurement], levels: Sequence[ServiceLevel]
) -> dict[Configuration, tuple[LevelCheck, ...]]:
    return {c: check_levels(levels, p.measurement, p.default) for c, p in pairs.items()}


def _point(
    configuration: Configuration,
    pair: PairedMeasurement,
    objectives: Sequence[Objective],
    levels: Sequence[ServiceLevel],
) -> Point:
    """A verified configuration: no slack any more."""
    checks = check_levels(levels, pair.measurement, pair.default)
    return Point(configuration, _values(pair.measurement, objectives), keeps=satisfies(checks))


def observed_points(
    records: Sequence[Record],
    objectives: Sequence[Objective],
    default: Configuration,
    levels: Sequence[ServiceLevel] = (),
) -> list[Point]:
    """One point for each configuration that the search measured.

    A service level missed by no more than a standard error counts as kept, until verification.
    """
    metric = next((o.metric for o in objectives if o.kind == "accuracy"), None)
    reference = next(
        (r.measurement for r in records if r.configuration == default and r.state == "complete"),
        None,
    )
    points = []
    for record in records:
        if record.state == "complete" and record.measurement is not None:
            accuracy = record.measurement.metrics.get(metric or "")
            slack = accuracy.sem or 0.0 if accuracy else 0.0
            checks = check_levels(levels, record.measurement, reference)
            kept = satisfies(checks, record.measurement.metrics)
            points.append(Point(record.configuration, record.values, slack, kept))
    return merge(points)


def _verified(
    observed: Mapping[Configuration, Point],
    objectives: Sequence[Objective],
    default: Configuration,
    tolerance: float,
    verify: Verify,
    levels: Sequence[ServiceLevel],
    near: Sequence[Configuration],
) -> tuple[dict[Configuration, PairedMeasurement], set[Configuration]]:
    """Run the candidates again, and whatever then still seems better than them.

    Where nothing keeps the service levels, `near` is run again instead. Returns what ran, each
    beside the default of its own rounds, and what failed this time; nothing ran where the default
    failed.
    """
    points = dict(observed)
    verified: dict[Configuration, PairedMeasurement] = {}
    broken: set[Configuration] = set()
    for batch in range(MAX_BATCHES):
        selector = RoleSelector(tuple(objectives), points[default].values, tolerance)
        if batch == 0:
            wanted = selector.candidates(list(points.values()), MAX_CANDIDATES) or list(near)
        else:
            wanted = list(selector.choose(list(points.values())).values())
        wanted = [c for c in wanted if c not in verified and c != default]
        if not wanted and verified:
            break
        found = verify([default, *wanted])
        if default not in found or found[default].failure is not None:
            break
        for configuration, measurement in found.items():
            if measurement.failure is not None:
                broken.add(configuration)
                points.pop(configuration)
            elif configuration not in verified:
                verified[configuration] = PairedMeasurement(measurement, found[default])
                points[configuration] = _point(
                    configuration, verified[configuration], objectives, levels
                )
    return verified, broken


def comparisons(pair: PairedMeasurement, objectives: Sequence[Objective]) -> tuple[Comparison, ...]:
    """Each objective of a configuration against the default's, from paired rounds."""
    measurement, default = pair.measurement, pair.default
    if default is None:
        return ()
    return tuple(
        _comparison(objective, measurement, default)
        for objective in objectives
        if objective.metric in measurement.metrics and objective.metric in default.metrics
    )


def _comparison(objective: Objective, measurement: Measurement, default: Measurement) -> Comparison:
    mine, theirs = measurement.metrics[objective.metric], default.metrics[objective.metric]
    change, low, high = _change(objective, measurement, default)
    return Comparison(
        metric=objective.metric,
        unit=mine.unit,
        value=mine.value,
        low=mine.low,
        high=mine.high,
        default=theirs.value,
        change=change,
        change_low=low,
        change_high=high,
        source=mine.source,
    )


def _change(
    objective: Objective, measurement: Measurement, default: Measurement
) -> tuple[float | None, float | None, float | None]:
    """Relative change with its interval: accuracies paired by prompt, the rest by round.

    Scores stand in the task's order, so that those of a configuration that had no time for every
    prompt pair with the first ones of another.
    """
    mine, theirs = measurement.metrics[objective.metric], default.metrics[objective.metric]
    if theirs.value == 0:
        return None, None, None
    shared = min(len(measurement.scores), len(default.scores))
    if objective.kind == "accuracy" and shared > 1:
        mean = sum(default.scores[:shared]) / shared
        if mean == 0:
            return None, None, None
        difference = accuracy_difference(measurement.scores[:shared], default.scores[:shared])
        return tuple(d / mean for d in difference)  # type: ignore[return-value]
    if _paired(mine, theirs):
        ratio = compare(mine, theirs)
        return ratio.value - 1, ratio.low - 1, ratio.high - 1
    return mine.value / theirs.value - 1, None, None


def _paired(mine: Metric, theirs: Metric) -> bool:
    both = (*mine.repeats, *theirs.repeats)
    return len(mine.repeats) == len(theirs.repeats) > 1 and all(v > 0 for v in both)


def _values(measurement: Measurement, objectives: Sequence[Objective]) -> tuple[float, ...]:
    return tuple(measurement.metrics[o.metric].value for o in objectives)


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
