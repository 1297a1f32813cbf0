"""Whether a configuration keeps its service levels, how surely, and what comes closest if none."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuner.measure import Measurement, Metric
from tuner.search import ServiceLevel
from tuner.space import Configuration


@dataclass(frozen=True)
class LevelCheck:
    """One service level against a measurement.

    Attributes:
        level: as it was written.
        metric: its name.
        unit: of `value` and `limit`.
        limit: the bound as a number.
        value: what was measured.
        holds: whether the value keeps the limit.
        probability: that the true value does, by the scatter of the repeats (Student's
            distribution; the default's own scatter counts where the limit is relative to it);
            None where one repeat shows no scatter.
        excess: how far the value is beyond the limit, as a share of it; negative where it holds.

    """

    level: str
    metric: str
    unit: str
    limit: float
    value: float
    holds: bool
    probability: float | None
    excess: float

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; `probability` is called `chance` there, as it has always been."""
        entry = dict(vars(self))
        entry["chance"] = entry.pop("probability")
        return entry

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> LevelCheck:
        """The inverse of `to_dict`."""
        rest = {key: value for key, value in entry.items() if key != "chance"}
        return cls(**rest, probability=entry["chance"])


@dataclass(frozen=True)
class InfeasibleSlo:
    """What to say where no configuration keeps all service levels.

    Attributes:
        binding: the level that the fewest measured configurations keep.
        kept_by: how many keep it.
        measured: how many were measured.
        closest: the configuration whose worst excess is the smallest.
        checks: all levels against it.

    """

    binding: str
    kept_by: int
    measured: int
    closest: Configuration
    checks: tuple[LevelCheck, ...]


def check_levels(
    levels: Sequence[ServiceLevel], measurement: Measurement, default: Measurement | None
) -> tuple[LevelCheck, ...]:
    """Each level whose limit is known against a measurement that has all its metrics."""
    checks = []
    for level in levels:
        metric = measurement.metrics[level.metric]
        reference = default.metrics.get(level.metric) if default is not None else None
        limit = level.limit(reference.value if reference else None)
        if limit is None:
            continue
        holds = level.holds(metric.value, limit)
        same = measurement is default
        probability = _probability(level, metric, limit, None if same else reference)
        beyond = metric.value - limit if level.direction == "min" else limit - metric.value
        checks.append(
            LevelCheck(
                level=level.text,
                metric=level.metric,
                unit=metric.unit,
                limit=limit,
                value=metric.value,
                holds=holds,
                probability=float(holds) if same and level.how else probability,
                excess=beyond / max(abs(limit), 1e-12),
            )
        )
    return tuple(checks)


def satisfies(checks: Sequence[LevelCheck], metrics: Mapping[str, Metric] | None = None) -> bool:
    """Whether all levels hold; with metrics, also where one is missed by a standard error only."""
    return all(
        c.holds
        or (
            metrics is not None
            and c.excess * max(abs(c.limit), 1e-12) <= (metrics[c.metric].sem or 0.0)
        )
        for c in checks
    )


def unmet(checked: Mapping[Configuration, Sequence[LevelCheck]]) -> InfeasibleSlo | None:
    """What binds and what comes closest; None where a configuration keeps every level."""
    if not checked or any(satisfies(checks) for checks in checked.values()):
        return None
    counts: dict[str, int] = {}
    for checks in checked.values():
        for check in checks:
            counts[check.level] = counts.get(check.level, 0) + check.holds
    binding = min(counts, key=counts.__getitem__)
    nearest = closest(checked, 1)[0]
    return InfeasibleSlo(binding, counts[binding], len(checked), nearest, tuple(checked[nearest]))


def closest(checked: Mapping[Configuration, Sequence[LevelCheck]], n: int) -> list[Configuration]:
    """The configurations whose worst excess is the smallest."""
    return sorted(checked, key=lambda c: max(check.excess for check in checked[c]))[:n]


def _probability(
    level: ServiceLevel, metric: Metric, limit: float, reference: Metric | None
) -> float | None:
    from scipy.stats import norm, t

    if metric.sem is None:
        return None
    theirs = reference.sem or 0.0 if reference is not None and level.how is not None else 0.0
    if level.how == "*":
        theirs *= level.bound
    sem = math.hypot(metric.sem, theirs)
    room = limit - metric.value if level.direction == "min" else metric.value - limit
    if sem == 0:
        return float(room >= 0)
    graded = metric.source == "graded"
    return float(norm.cdf(room / sem) if graded else t.cdf(room / sem, max(metric.n - 1, 1)))
