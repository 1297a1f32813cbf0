"""Configurations measured in the same blocks as the default, and what they are relative to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tuner.advice.choice import Point, merge
from tuner.advice.slo import check_levels, satisfies
from tuner.measure import Measurement, Metric, Ratio, accuracy_difference, compare
from tuner.search import Objective, ServiceLevel
from tuner.space import Configuration
from tuner.study import Record

FOREIGN, HELD_UP = "foreign_cpu_share", "held_up_share"
NOTICED = 0.05
"""From this share of the machine on, what other programs took is told to whoever reads a result."""


@dataclass(frozen=True)
class PairedMeasurement:
    """A configuration's measurement, and the default's from the same blocks."""

    measurement: Measurement
    default: Measurement | None


def ratio_to_default(objective: Objective, pair: PairedMeasurement) -> Ratio | None:
    """How many times the default's value a configuration has, with its 95 % interval.

    Accuracies are paired by prompt, everything else by block, and there what other programs took of
    the machine widens the interval (`compare`). None where the blocks do not pair.
    """
    measurement, default = pair.measurement, pair.default
    if measurement is default:
        return Ratio(1.0, 1.0, 1.0)
    mine = measurement.metrics.get(objective.metric)
    theirs = default.metrics.get(objective.metric) if default is not None else None
    if default is None or mine is None or theirs is None or theirs.value == 0:
        return None
    if objective.kind == "accuracy" and min(len(measurement.scores), len(default.scores)) > 1:
        return _accuracy_ratio(measurement.scores, default.scores)
    if not _pair_up(mine, theirs):
        return None
    return compare(mine, theirs, (_share(measurement, HELD_UP), _share(default, HELD_UP)))


def _accuracy_ratio(mine: Sequence[float], theirs: Sequence[float]) -> Ratio | None:
    """The ratio on the prompts that both have answered; None where the default has none right."""
    shared = min(len(mine), len(theirs))
    mean = sum(theirs[:shared]) / shared
    if mean == 0:
        return None
    return Ratio(*(1 + d / mean for d in accuracy_difference(mine[:shared], theirs[:shared])))


def foreign_share(measurement: Measurement) -> float:
    """The share of the machine that other programs took meanwhile; 0 where nobody knows."""
    return _share(measurement, FOREIGN)


def _share(measurement: Measurement, name: str) -> float:
    metric = measurement.metrics.get(name)
    return max(0.0, metric.value) if metric is not None else 0.0


def _pair_up(mine: Metric, theirs: Metric) -> bool:
    both = (*mine.repeats, *theirs.repeats)
    return len(mine.repeats) == len(theirs.repeats) > 1 and all(value > 0 for value in both)


def observed_points(
    records: Sequence[Record],
    objectives: Sequence[Objective],
    default: Configuration,
    levels: Sequence[ServiceLevel] = (),
) -> list[Point]:
    """One point for each configuration that the search measured.

    A service level missed by no more than a standard error counts as kept, until verification. So
    does an accuracy that rests on fewer prompts than the default's; with as many, the verification
    asks no others.
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
            asked = len(reference.scores) if reference is not None else 0
            partial = accuracy is not None and accuracy.n < asked
            slack = accuracy.sem or 0.0 if accuracy is not None and partial else 0.0
            checks = check_levels(levels, record.measurement, reference)
            kept = satisfies(checks, record.measurement.metrics)
            points.append(Point(record.configuration, record.values, slack, kept))
    return merge(points)


def verified_points(
    observed: Sequence[Point],
    verified: Mapping[Configuration, PairedMeasurement],
    objectives: Sequence[Objective],
    default: Configuration,
    levels: Sequence[ServiceLevel] = (),
) -> list[Point]:
    """The points by what the verification says, and in its terms.

    What was measured again has the default's value times its ratio to the default. Everything else
    is scaled by how much the default itself has changed since the search.
    """
    before = next((p.values for p in observed if p.configuration == default), None)
    pair = verified.get(default)
    if before is None or pair is None:
        return list(observed)
    now = tuple(pair.measurement.metrics[o.metric].value for o in objectives)
    known = {c: _verified_point(c, p, now, objectives, levels) for c, p in verified.items()}
    rest = [
        replace(p, values=_rescaled(p.values, before, now, objectives))
        for p in observed
        if p.configuration not in verified
    ]
    return [*known.values(), *rest]


def _verified_point(
    configuration: Configuration,
    pair: PairedMeasurement,
    default: Sequence[float],
    objectives: Sequence[Objective],
    levels: Sequence[ServiceLevel],
) -> Point:
    values = []
    for objective, reference in zip(objectives, default, strict=True):
        ratio = ratio_to_default(objective, pair)
        own = pair.measurement.metrics[objective.metric].value
        values.append(own if ratio is None else reference * ratio.value)
    checks = check_levels(levels, pair.measurement, pair.default)
    return Point(configuration, tuple(values), keeps=satisfies(checks))


def _rescaled(
    values: Sequence[float],
    before: Sequence[float],
    now: Sequence[float],
    objectives: Sequence[Objective],
) -> tuple[float, ...]:
    return tuple(
        value if o.kind == "accuracy" or min(then, later) <= 0 else value * later / then
        for value, then, later, o in zip(values, before, now, objectives, strict=True)
    )
