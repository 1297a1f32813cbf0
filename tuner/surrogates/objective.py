"""What is optimised: a metric, its direction, and the scale on which it is modelled."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from tuner.errors import UserError
from tuner.metrics import METRICS, Direction, Kind

Scale = Literal["log", "logit", "linear"]

LOG_SPAN = 3.0
"""A positive metric whose values span more than this factor is compared on the log scale."""

_LOGIT_MARGIN = 0.005


@dataclass(frozen=True)
class Objective:
    """A metric to minimise or maximise.

    Attributes:
        metric: name of the metric or column.
        direction: which way is better.
        scale: where differences are judged: `log` for ratios, `logit` for shares in [0, 1],
            `linear` as it is; None chooses `log` for positive metrics that span more than a
            factor of `LOG_SPAN`, else `linear`.
        kind: what the metric is about; `other` where nobody said.

    """

    metric: str
    direction: Direction
    scale: Scale | None = None
    kind: Kind = "other"

    @classmethod
    def parse(cls, text: str) -> Objective:
        """An objective from `METRIC:DIRECTION[:SCALE][:KIND]`, the words in any order.

        `energy_j:min`, `accuracy:max:linear`, `my_score:max:accuracy`. The kind of a metric that
        the tuner knows stands in `METRICS`; one of the user's own is of kind `other` unless it says
        another.

        Raises:
            UserError: the text is no objective.
        """
        metric, *words = text.split(":")
        known = METRICS.get(metric)
        direction, scale, kind = (_only(words, choices) for choices in (Direction, Scale, Kind))
        understood = [word for word in (direction, scale, kind) if word is not None]
        if not metric or direction is None or len(understood) != len(words):
            meant = f" Did you mean {metric}:{known.direction}?" if known else ""
            raise UserError(
                f"'{text}' is no objective; write METRIC:min or METRIC:max, and optionally a "
                "scale (log, logit or linear) and, for a metric of your own, a kind (energy, "
                "latency, throughput, accuracy or memory) behind it, as in energy_j:min:log or "
                f"my_score:max:accuracy.{meant}"
            )
        return cls(metric, direction, scale, kind or (known.kind if known else "other"))

    @property
    def depends_on(self) -> Literal["energy", "latency", "accuracy"] | None:
        """What `Parameter.affects` has to name for a parameter to matter; None: any may."""
        if self.kind == "throughput":
            return "latency"
        return self.kind if self.kind in ("energy", "latency", "accuracy") else None

    def scale_for(self, values: npt.NDArray[np.float64]) -> Scale:
        """The scale for these values: the stated one where they allow it."""
        finite = values[np.isfinite(values)]
        if not len(finite):
            return "linear"
        low, high = float(finite.min()), float(finite.max())
        if self.scale == "logit" and low >= 0 and high <= 1:
            return "logit"
        wants_log = self.scale == "log" or (self.scale is None and high > LOG_SPAN * low)
        return "log" if low > 0 and wants_log else "linear"

    def on_log_scale(self, values: npt.NDArray[np.float64]) -> Objective:
        """The same on the log scale, where effects are factors and no scale was asked for.

        For metrics of which factors are expected, whatever the span of the values so far.
        """
        factors = self.kind in ("energy", "latency", "throughput")
        if self.scale is None and factors and values.min() > 0:
            return replace(self, scale="log")
        return self

    def turned_effect(self, values: npt.NDArray[np.float64]) -> float:
        """Change of a turned value (`to_scale`) for an expected effect of 1 on the metric.

        An effect is the logarithm of a factor, for accuracy a difference. Where the scale does not
        make a straight line of it, it is taken at the median of the values.
        """
        middle = np.array([np.median(values)])
        natural = 1.0 if self.kind == "accuracy" else float(middle[0])
        change = natural * float(slope(middle, self.scale_for(values))[0])
        return change if self.direction == "min" else -change


def _only(words: Sequence[str], choices: Any) -> Any:
    """The one of the words that is among the choices of a `Literal`; None for none or several."""
    found = [word for word in words if word in get_args(choices)]
    return found[0] if len(found) == 1 else None


def to_scale(
    values: npt.NDArray[np.float64], objective: Objective, scale: Scale
) -> npt.NDArray[np.float64]:
    """Values on their scale and turned so that smaller is better."""
    if scale == "log":
        scaled = np.log(values)
    elif scale == "logit":
        inside = np.clip(values, _LOGIT_MARGIN, 1 - _LOGIT_MARGIN)
        scaled = np.log(inside / (1 - inside))
    else:
        scaled = np.asarray(values, dtype=np.float64)
    return scaled if objective.direction == "min" else -scaled


def from_scale(
    scaled: npt.NDArray[np.float64], objective: Objective, scale: Scale
) -> npt.NDArray[np.float64]:
    """The inverse of `to_scale`."""
    turned = scaled if objective.direction == "min" else -scaled
    if scale == "log":
        return np.exp(np.minimum(turned, math.log(np.finfo(np.float64).max)))
    return 1 / (1 + np.exp(-turned)) if scale == "logit" else turned


def slope(values: npt.NDArray[np.float64], scale: Scale) -> npt.NDArray[np.float64]:
    """Change of the scaled value with the natural one, for carrying standard errors over."""
    if scale == "log":
        return 1 / values
    if scale == "logit":
        inside = np.clip(values, _LOGIT_MARGIN, 1 - _LOGIT_MARGIN)
        return 1 / (inside * (1 - inside))
    return np.ones_like(values)
