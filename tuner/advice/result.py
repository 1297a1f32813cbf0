"""What a finished study hands over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuner.advice.choice import Role
from tuner.advice.effects import Effect
from tuner.advice.simplify import Change
from tuner.advice.slo import InfeasibleSlo, LevelCheck
from tuner.measure import Measurement
from tuner.space import Arguments, Configuration
from tuner.study import Record
from tuner.study.records import metrics_dict

if TYPE_CHECKING:
    import pandas as pd


WIDEST = 0.3
"""An interval that reaches further than this share of the ratio says nothing of its size."""


@dataclass(frozen=True)
class Comparison:
    """One metric of a configuration against the default's, both from the same rounds.

    Attributes:
        metric: its name.
        unit: of `value`, `low`, `high` and `default`.
        value: of the configuration, with its 95 % interval `low` to `high`.
        low: lower end; None where one run gives none.
        high: upper end.
        default: of the default configuration.
        change: relative to the default (-0.4 is 40 % less), with its 95 % interval; None where the
            default's value is 0.
        change_low: lower end of it.
        change_high: upper end of it.
        source: where the figures come from; `estimated` is no measurement.
        foreign: the share of the machine's processors that other programs took meanwhile.
    """

    metric: str
    unit: str
    value: float
    low: float | None
    high: float | None
    default: float
    change: float | None
    change_low: float | None
    change_high: float | None
    source: str
    foreign: float = 0.0

    @property
    def resolved(self) -> bool:
        """Whether the interval of the change says how large it is, and not only perhaps its sign.

        It does where neither end is further from the value than `WIDEST` times the ratio to the
        default.
        """
        if self.change is None or self.change_low is None or self.change_high is None:
            return False
        ratio, low, high = 1 + self.change, 1 + self.change_low, 1 + self.change_high
        reach = WIDEST * abs(ratio)
        return high - ratio <= reach and ratio - low <= reach


@dataclass(frozen=True)
class Recommendation:
    """A configuration worth deploying, measured again before it is named here.

    Attributes:
        roles: what it is best at.
        configuration: its features.
        arguments: what the engine is told.
        measurement: of the verification.
        comparisons: for each objective, against the default.
        verified: whether it was run again, side by side with the default.
        levels: each service level against the measurement; all of them hold.
        changes: each difference from the default, and what it is expected to be worth.
    """

    roles: tuple[Role, ...]
    configuration: Configuration
    arguments: Arguments
    measurement: Measurement
    comparisons: tuple[Comparison, ...]
    verified: bool
    levels: tuple[LevelCheck, ...] = ()
    changes: tuple[Change, ...] = ()

    @property
    def name(self) -> str:
        """The first role as a file name: `most-accurate`."""
        return self.roles[0].replace(" ", "-")


@dataclass(frozen=True)
class FrontPoint:
    """A configuration that no other one dominates, with its objective values."""

    configuration: Configuration
    values: Mapping[str, float]
    verified: bool


@dataclass(frozen=True)
class Result:
    """All that came out of a study.

    Attributes:
        recommended: verified recommendations.
        front: the observed front; verified values where there are some.
        default: the engine's default configuration.
        default_measurement: of the verification; None where the default itself failed.
        trials: every trial, in the order of asking.
        stopped_by: why the search ended, in one line.
        objectives: `metric:direction`, in order.
        accuracy_tolerance: what `keeps the default's accuracy` means, in absolute terms.
        seconds: spent in all.
        notes: what a reader has to know (estimated energies, objectives that are nearly one).
        levels: the service levels as they were written.
        unmet: what binds and what comes closest where nothing keeps them.
        effects: what each choice changes on average, as the surrogates see it.
    """

    recommended: tuple[Recommendation, ...]
    front: tuple[FrontPoint, ...]
    default: Configuration
    default_measurement: Measurement | None
    trials: tuple[Record, ...]
    stopped_by: str
    objectives: tuple[str, ...]
    accuracy_tolerance: float
    seconds: float
    notes: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()
    unmet: InfeasibleSlo | None = None
    effects: tuple[Effect, ...] = ()

    def to_frame(self) -> pd.DataFrame:
        """One row a trial: state, features, and each metric with its interval (`trials_frame`)."""
        from tuner.advice.frame import trials_frame

        return trials_frame(self.trials)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types: recommended, front, default, trials, stopped_by and more."""
        measured = self.default_measurement
        return {
            "recommended": [_recommendation_dict(r) for r in self.recommended],
            "front": [
                {
                    "configuration": dict(p.configuration),
                    "values": dict(p.values),
                    "verified": p.verified,
                }
                for p in self.front
            ],
            "default": {
                "configuration": dict(self.default),
                "metrics": metrics_dict(measured) if measured else {},
                "in_force": measured.in_force.to_dict() if measured else {},
            },
            "trials": [record.to_dict() for record in self.trials],
            "stopped_by": self.stopped_by,
            "objectives": list(self.objectives),
            "accuracy_tolerance": self.accuracy_tolerance,
            "seconds": self.seconds,
            "notes": list(self.notes),
            "service_levels": list(self.levels),
            "unmet": _unmet_dict(self.unmet),
            "effects": [dict(vars(effect)) for effect in self.effects],
        }


def _recommendation_dict(recommendation: Recommendation) -> dict[str, Any]:
    arguments, measurement = recommendation.arguments, recommendation.measurement
    return {
        "roles": list(recommendation.roles),
        "configuration": dict(recommendation.configuration),
        "arguments": {
            "load": dict(arguments.load),
            "request": dict(arguments.request),
            "harness": dict(arguments.harness),
            "hardware": dict(arguments.hardware),
        },
        "metrics": metrics_dict(measurement),
        "validity": measurement.validity,
        "reasons": list(measurement.reasons),
        "verified": recommendation.verified,
        "service_levels": [check.to_dict() for check in recommendation.levels],
        "versus_default": {c.metric: _comparison_dict(c) for c in recommendation.comparisons},
        "changes": [dict(vars(change)) for change in recommendation.changes],
        "in_force": measurement.in_force.to_dict(),
    }


def _unmet_dict(unmet: InfeasibleSlo | None) -> dict[str, Any] | None:
    if unmet is None:
        return None
    return {
        "binding": unmet.binding,
        "kept_by": unmet.kept_by,
        "measured": unmet.measured,
        "closest": dict(unmet.closest),
        "checks": [check.to_dict() for check in unmet.checks],
    }


def _comparison_dict(comparison: Comparison) -> dict[str, Any]:
    entry = {k: v for k, v in vars(comparison).items() if k != "metric"}
    entry["resolved"] = comparison.resolved
    for key in ("change", "change_low", "change_high"):
        share = entry.pop(key)
        entry[f"{key}_percent"] = None if share is None else 100 * share
    return entry
