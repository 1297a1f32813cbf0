"""Values of features and attributes, and how values are compared."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

Value = bool | int | float | str
"""What a feature can be set to: a Boolean one to True, a typed one to a number or a text."""

Attribute = Value | tuple["Attribute", ...] | Mapping[str, "Attribute"]
"""The value of an attribute; a vector is a tuple, nested attributes are a mapping."""

FeatureType = Literal["Boolean", "Integer", "Real", "String"]
GroupKind = Literal["mandatory", "optional", "or", "alternative", "cardinality"]


def number(value: object) -> bool:
    """Whether this is a number, which True and False are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def value_text(value: Value) -> str:
    """A value as it is written in `--set`."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def index_of(values: Sequence[Value], value: object) -> int | None:
    """The index of a value among others, None where it is not there; numbers may differ by 1e-9."""
    for i, other in enumerate(values):
        if number(value) and number(other):
            if math.isclose(float(value), float(other), rel_tol=1e-9, abs_tol=1e-12):  # type: ignore[arg-type]
                return i
        elif type(value) is type(other) and value == other:
            return i
    return None


def distance(value: Value, wish: object) -> float:
    """How far a number is from what was wanted; 0 for what is no number."""
    return abs(float(value) - float(wish)) if number(value) and number(wish) else 0.0  # type: ignore[arg-type]


def nearest_value(values: Sequence[Value], wish: object) -> int:
    """The index of a value, or of the number nearest to it, or 0 where there is none.

    This is what a default becomes where the values that are left do not have it.
    """
    found = index_of(values, wish)
    if found is not None:
        return found
    return min(range(len(values)), key=lambda i: distance(values[i], wish))
