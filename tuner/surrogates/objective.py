"""What is optimised: a metric, its direction, and the scale on which it is modelled."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from tuner.errors import UserError

Direction = Literal["min", "max"]
Scale = Literal["log", "logit", "linear"]
Kind = Literal["energy", "latency", "accuracy"]

LOG_SPAN = 3.0
"""A positive metric whose values span more than this factor is compared on the log scale."""

_KIND_WORDS: tuple[tuple[Kind, tuple[str, ...]], ...] = (
    ("accuracy", ("accuracy", "correct", "pass@", "quality")),
    ("energy", ("energy", "joule", "power", "watt", "carbon")),
    ("latency", ("latency", "time", "ttft", "tpot", "itl", "e2el", "throughput", "seconds")),
)
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
        kind: what it depends on (see `Parameter.affects`); None where that is unknown.

    """

    metric: str
    direction: Direction
    scale: Scale | None = None
    kind: Kind | None = None

    @classmethod
    def parse(cls, text: str) -> Objective:
        """`energy_j:min` or `accuracy:max:linear`; the kind is read from the metric's name."""
        metric, *rest = text.split(":")
        fitting = 1 <= len(rest) <= 2 and rest[0] in ("min", "max") and metric
        if not fitting or (len(rest) == 2 and rest[1] not in ("log", "logit", "linear")):
            raise UserError(
                f"'{text}' is no objective; write METRIC:min or METRIC:max, and optionally a "
                "scale behind it (log, logit or linear), as in energy_j:min:log."
            )
        direction: Direction = "min" if rest[0] == "min" else "max"
        scale: Scale | None = rest[1] if len(rest) == 2 else None  # type: ignore[assignment]
        name = metric.lower()
        kind = next((k for k, words in _KIND_WORDS if any(w in name for w in words)), None)
        return cls(metric, direction, scale, kind)

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
