"""Who still has to be measured again: what may be the best in something, and what is decided."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from tuner.advice.choice import Point, RoleSelector
from tuner.advice.paired import PairedMeasurement, ratio_to_default
from tuner.search import Objective
from tuner.space import Configuration

NARROW = 0.05
"""An interval that reaches no further to either side, as a share of the value, is narrow enough."""


def still_open(
    points: Sequence[Point],
    verified: Mapping[Configuration, PairedMeasurement],
    selector: RoleSelector,
    default: Configuration,
) -> set[Configuration]:
    """The verified configurations that may still be chosen for some role.

    One may be where it would be chosen if it were at the better end of its intervals and all the
    others at the worse ends of theirs. What has too few blocks for an interval stays.

    Args:
        points: all points, in the terms of the verification.
        verified: what was measured again, the default among it.
        selector: of the roles.
        default: the configuration that everything is compared with.
    """
    mine = {p.configuration: p for p in points if p.configuration in verified}
    worst = {c: _moved(p, verified[c], selector.objectives, better=False) for c, p in mine.items()}
    found = set()
    for configuration, point in mine.items():
        best = _moved(point, verified[configuration], selector.objectives, better=True)
        others = [w for c, w in worst.items() if c != configuration and w is not None]
        if configuration != default and (
            best is None or configuration in selector.choose([*others, best]).values()
        ):
            found.add(configuration)
    return found


def is_decided(
    chosen: Collection[Configuration],
    open_ones: Collection[Configuration],
    verified: Mapping[Configuration, PairedMeasurement],
    objectives: Sequence[Objective],
) -> bool:
    """Whether nothing else may be chosen, and the intervals of what is chosen are narrow."""
    if set(open_ones) - set(chosen):
        return False
    return all(is_narrow(verified[c], objectives) for c in chosen if c in verified)


def is_narrow(pair: PairedMeasurement, objectives: Sequence[Objective]) -> bool:
    """Whether the intervals of the ratios to the default are narrow, save those of accuracy."""
    for objective in objectives:
        ratio = ratio_to_default(objective, pair)
        if objective.kind == "accuracy":
            continue
        if ratio is None or min(ratio.low, ratio.value) <= 0:
            return False
        reach = max(math.log(ratio.high / ratio.value), math.log(ratio.value / ratio.low))
        if reach > math.log1p(NARROW):
            return False
    return True


def _moved(
    point: Point, pair: PairedMeasurement, objectives: Sequence[Objective], *, better: bool
) -> Point | None:
    """A point at one end of its intervals; None where it has none. Accuracies stay."""
    values = []
    for objective, value in zip(objectives, point.values, strict=True):
        ratio = ratio_to_default(objective, pair)
        if objective.kind == "accuracy" or (ratio is not None and ratio.value == 0):
            values.append(value)
            continue
        if ratio is None:
            return None
        end = ratio.low if (objective.direction == "min") == better else ratio.high
        values.append(value * end / ratio.value)
    return replace(point, values=tuple(values))
