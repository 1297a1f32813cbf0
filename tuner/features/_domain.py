"""The finite ordered domain of a typed feature, from its attributes.

========================  =================================================================
attributes                domain
========================  =================================================================
`values [..]`             these values, numbers in ascending order, texts as written
`min`, `max`, `step`      min, min + step, ... up to max
`min`, `max`              Integer: every number between; Real: `GRID` evenly spaced numbers
`min`, `max`, `log true`  `GRID` numbers evenly spaced in the logarithm (Integer: rounded)
========================  =================================================================
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Protocol

from tuner.features._errors import ModelError
from tuner.features._values import Attribute, FeatureType, Value, number

GRID = 21
"""Points of a domain that gives its ends alone: a Real, or any number on a logarithmic scale."""

LARGEST_DOMAIN = 100_000
"""Longest domain that is spelled out."""


class Declaration(Protocol):
    """What a domain is read from: a feature, as far as it is needed here."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def type(self) -> FeatureType:
        """The type of its values."""

    @property
    def attributes(self) -> Mapping[str, Attribute]:
        """What the file says about it."""

    @property
    def line(self) -> int:
        """Its line in the file, 0 where it was not read from one."""


def domain_of(feature: Declaration) -> tuple[Value, ...]:
    """The domain of a typed feature, or `ModelError`; `(True,)` for a Boolean one."""
    if feature.type == "Boolean":
        return (True,)
    if "values" in feature.attributes:
        return _listed(feature)
    if feature.type == "String":
        raise _wrong(feature, "has no finite domain: list its texts in an attribute `values [..]`")
    return _between(feature)


def _wrong(feature: Declaration, reason: str) -> ModelError:
    place = f" (line {feature.line})" if feature.line else ""
    return ModelError(f"{feature.type} feature '{feature.name}'{place} {reason}")


def _listed(feature: Declaration) -> tuple[Value, ...]:
    values = feature.attributes["values"]
    if not isinstance(values, tuple) or not values:
        raise _wrong(feature, "needs at least one value in its attribute `values [..]`")
    for value in values:
        fits = {
            "String": isinstance(value, str),
            "Integer": number(value) and float(value) == int(value),  # type: ignore[arg-type]
            "Real": number(value),
        }[feature.type]
        if not fits:
            raise _wrong(feature, f"can't take the value {value!r} of its attribute `values`")
    if len(set(values)) < len(values):
        raise _wrong(feature, "has a value twice in its attribute `values`")
    if feature.type == "String":
        return values  # type: ignore[return-value]
    convert = int if feature.type == "Integer" else float
    return tuple(sorted(convert(value) for value in values))  # type: ignore[arg-type]


def _between(feature: Declaration) -> tuple[Value, ...]:
    low, high = feature.attributes.get("min"), feature.attributes.get("max")
    if not number(low) or not number(high):
        raise _wrong(
            feature, "has no finite domain: give it `values [..]`, or numbers `min` and `max`"
        )
    low, high = float(low), float(high)  # type: ignore[arg-type]
    if low > high:
        raise _wrong(feature, f"has its `min` {low:g} above its `max` {high:g}")
    step = feature.attributes.get("step")
    if step is not None and not (number(step) and step > 0):  # type: ignore[operator]
        raise _wrong(feature, "needs a number above 0 as its `step`")
    if step is not None:
        points = _stepped(feature, low, high, float(step))  # type: ignore[arg-type]
    elif feature.attributes.get("log") is True:
        if low <= 0:
            raise _wrong(feature, "is on a logarithmic scale and needs a `min` above 0")
        ratio = math.log(high / low) / (GRID - 1)
        points = [low * math.exp(ratio * i) for i in range(GRID - 1)] + [high]
    elif feature.type == "Integer":
        points = _stepped(feature, float(math.ceil(low)), high, 1.0)
    else:
        points = [low + (high - low) * i / (GRID - 1) for i in range(GRID)]
    if feature.type == "Integer":
        return tuple(dict.fromkeys(round(point) for point in points))
    # Twelve digits are what a person writes: 0.1 * 3 becomes 0.3.
    return tuple(dict.fromkeys(float(f"{point:.12g}") for point in points))


def _stepped(feature: Declaration, low: float, high: float, step: float) -> list[float]:
    if feature.type == "Integer" and not (low.is_integer() and step.is_integer()):
        raise _wrong(feature, "needs whole numbers as its `min` and `step`")
    n = math.floor((high - low) / step * (1 + 1e-12) + 1e-9) + 1
    if n > LARGEST_DOMAIN:
        raise _wrong(
            feature,
            f"has {n} values, more than {LARGEST_DOMAIN}: take a larger `step` or `log true`",
        )
    return [low + step * i for i in range(n)]
