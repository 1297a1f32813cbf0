"""The attribute `expect`: what a person expects of a choice before anything is measured.

    Beams {expect 'energy *2, latency *2, accuracy +0.01'}
    Integer batch_size {values [1, 2, 4], expect 'energy ^-0.7, latency ^0.3'}
    String dtype {values ['full', 'half', 'int4'], expect 'half: energy *0.7; int4: accuracy -'}

========================  ======================================================================
`energy *0.6`             selecting the feature, or the value, multiplies the energy by 0.6
`energy ^-0.7`            the energy goes with the number to the power of -0.7
`accuracy -0.02`          selecting it, or each doubling of the number, costs 0.02
`energy -`, `energy +`    less, more: a mild effect (`MILD_FACTOR`, `MILD_EXPONENT`, ..)
`VALUE: ..; VALUE: ..`    of single values of a feature that has values
========================  ======================================================================

All of it is relative to what would be chosen otherwise, all else equal. Effects multiply, those on
accuracy add up.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, cast

from tuner.features import Feature, FeatureModel, ModelError, Value, index_of
from tuner.metrics import Kind

MILD_FACTOR = 1.2
"""A choice of which only the direction is said multiplies, or divides, a cost by this."""
MILD_EXPONENT = 0.2
"""A number of which only the direction is said acts with this power."""
MILD_DIFFERENCE = 0.01
"""The same for accuracy: of a choice, or of each doubling of a number."""

KINDS: tuple[Kind, ...] = ("energy", "latency", "throughput", "accuracy")
_TERM = re.compile(r"(?P<kind>\w+)\s*(?P<sign>[*^+-])\s*(?P<size>[+-]?[\d.]+(?:[eE][+-]?\d+)?)?")

Of = Literal["choice", "number"]


@dataclass(frozen=True)
class Expectation:
    """One thing that is expected of one feature.

    Attributes:
        kind: the metrics that it is about.
        effect: of a choice the logarithm of the factor; of a number the power, which is the
            logarithm of the factor for one of its value. For accuracy, a difference in place of
            the logarithm.
        of: whether the choice of the feature (or of `value`) has the effect, or its number.
        value: the single value of the feature that it is about.
    """

    kind: Kind
    effect: float
    of: Of
    value: Value | None = None

    def at(self, value: Value, default: Value) -> float:
        """The effect of a value of the feature, against its default for a number.

        None for numbers of 0 and below, which may stand in for the values of the file.
        """
        if self.of == "number":
            ratio = float(value) / float(default) if default else 0.0
            return self.effect * math.log(ratio) if ratio > 0 else 0.0
        return self.effect if value == self.value else 0.0


def expectations(model: FeatureModel) -> dict[str, tuple[Expectation, ...]]:
    """What is expected of each feature of a model that has the attribute `expect`.

    Raises:
        UserError: an attribute can't be understood; it names file and line.
    """
    return {
        name: tuple(_parsed(model, feature))
        for name, feature in model.features.items()
        if "expect" in feature.attributes
    }


def _parsed(model: FeatureModel, feature: Feature) -> Iterator[Expectation]:
    text = feature.attributes["expect"]
    if not isinstance(text, str) or not text.strip():
        raise _wrong(model, feature, "needs a text, as in expect 'energy *0.6, latency +'")
    for clause in text.split(";"):
        head, colon, body = clause.rpartition(":")
        value = _value(model, feature, head.strip()) if colon else None
        for term in body.split(","):
            yield _expectation(model, feature, term.strip(), value)


def _value(model: FeatureModel, feature: Feature, written: str) -> Value:
    """The value of a feature that stands before a colon."""
    wish: Value = written
    if feature.type in ("Integer", "Real"):
        try:
            wish = float(written)
        except ValueError:
            raise _wrong(model, feature, f"'{written}' is no number") from None
    index = index_of(feature.domain, wish) if feature.typed else None
    if index is None:
        listed = ", ".join(map(str, feature.domain)) if feature.typed else "none"
        raise _wrong(model, feature, f"there is no value '{written}'; it has {listed}")
    return feature.domain[index]


def _expectation(
    model: FeatureModel, feature: Feature, term: str, value: Value | None
) -> Expectation:
    match = _TERM.fullmatch(term)
    if match is None or match["kind"] not in KINDS:
        raise _wrong(
            model,
            feature,
            f"'{term}' is none of `KIND *FACTOR`, `KIND ^POWER`, `KIND +` and `KIND -`, nor "
            f"`accuracy -DIFFERENCE`, with KIND one of {', '.join(KINDS)}",
        )
    kind, sign = cast("Kind", match["kind"]), match["sign"]
    of = _of(model, feature, sign, value)
    try:
        size = None if match["size"] is None else float(match["size"])
        if size is None and sign in "*^":
            raise ValueError(f"'{sign}' needs a number behind it")
        return Expectation(kind, _effect(kind, sign, size, of), of, value)
    except ValueError as error:
        raise _wrong(model, feature, f"'{term}': {error}") from None


def _of(model: FeatureModel, feature: Feature, sign: str, value: Value | None) -> Of:
    """Whether a term is about a choice or a number."""
    numeric = feature.type in ("Integer", "Real") and value is None
    if sign == "^" and not numeric:
        raise _wrong(model, feature, "a power is expected of a number alone")
    if numeric and sign != "*":
        if any(float(v) <= 0 for v in feature.domain):
            reason = (
                "a feature with values of 0 or below has no power: write `VALUE: ..; VALUE: ..`"
            )
            raise _wrong(model, feature, reason)
        return "number"
    parent, group = model.parent_groups.get(feature.name, (None, None))
    if value is None and (parent is None or group is None or group.kind == "mandatory"):
        raise _wrong(model, feature, "it is always chosen: write `VALUE: ..; VALUE: ..`")
    return "choice"


def _effect(kind: Kind, sign: str, size: float | None, of: Of) -> float:
    """The effect as a logarithm, or as a difference for accuracy."""
    if kind == "accuracy":
        if sign in "*^":
            raise ValueError("accuracy gains or loses, as in `accuracy -0.02`")
        step = (MILD_DIFFERENCE if size is None else abs(size)) * (-1 if sign == "-" else 1)
        return step / math.log(2) if of == "number" else step
    if sign == "*":
        assert size is not None
        if not 0 < size < math.inf:
            raise ValueError("a factor is a number above 0")
        return math.log(size)
    if sign == "^":
        assert size is not None
        return size
    if size is not None:
        raise ValueError("a difference is expected of accuracy alone: write a factor, `*1.5`")
    mild = MILD_EXPONENT if of == "number" else math.log(MILD_FACTOR)
    return -mild if sign == "-" else mild


def _wrong(model: FeatureModel, feature: Feature, reason: str) -> ModelError:
    place = f", line {feature.line}" if feature.line else ""
    return ModelError(f"{model.source}{place}: `expect` of '{feature.name}': {reason}")
