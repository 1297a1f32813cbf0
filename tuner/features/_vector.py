"""Constraints as functions over columns: one array a feature, one entry a configuration.

A condition becomes a function `Columns -> bool array`; anything that broadcasts will do, so the
same function checks one configuration, a million, or every tuple of a few domains.

=============  ===========================================================================
`selected`     for every feature that is asked for a bool array
`values`       for every typed feature a float64 array, NaN where it is not selected; texts
               stand as their code in the `Vocabulary`
=============  ===========================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce

import numpy as np
import numpy.typing as npt

from tuner.features._model import Feature, FeatureModel
from tuner.features._resolve import nested
from tuner.features._values import Value
from tuner.features.expression import (
    TOLERANCE,
    Aggregate,
    And,
    Arithmetic,
    AttributeOf,
    Compare,
    Constant,
    Expression,
    Function,
    Iff,
    Implies,
    Not,
    Or,
    Selected,
    Term,
    ValueOf,
    children,
)

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Columns:
    """What a condition is evaluated on; see the head of this module."""

    selected: Mapping[str, Bools]
    values: Mapping[str, Floats]


Condition = Callable[[Columns], Bools]
Number = Callable[[Columns], Floats]


class Vocabulary:
    """Texts as numbers: the same text has the same code in every column."""

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}
        self._texts: list[str] = []

    def code(self, value: Value) -> float:
        """A number as it is, a text as its code."""
        if not isinstance(value, str):
            return float(value)
        if value not in self._codes:
            self._codes[value] = len(self._texts)
            self._texts.append(value)
        return float(self._codes[value])

    def lengths(self, codes: Floats) -> Floats:
        """Characters of each text, NaN where there is none."""
        table = np.array([len(text) for text in self._texts] + [np.nan])
        missing = np.isnan(codes)
        return np.asarray(table[np.where(missing, len(self._texts), codes).astype(np.int64)])


@dataclass(frozen=True)
class Compiler:
    """Makes functions over columns from the constraints of one model."""

    model: FeatureModel
    vocabulary: Vocabulary

    def condition(self, expression: Expression) -> Condition:
        """What is true or false, as a function."""
        match expression:
            case Selected(feature):
                return lambda c: c.selected[feature]
            case AttributeOf(feature, path):
                fixed = self._attribute(self.model.features[feature], path) is True
                return lambda c: c.selected[feature] & fixed
            case Compare():
                return self._compare(expression)
            case Not(operand):
                inner = self.condition(operand)
                return lambda c: ~inner(c)
            case And() | Or() | Implies() | Iff():
                return self._connective(expression)

    def _connective(self, expression: And | Or | Implies | Iff) -> Condition:
        parts = [self.condition(part) for part in children(expression)]  # type: ignore[arg-type]
        apply = _CONNECTIVE[type(expression)]
        return lambda c: reduce(apply, (part(c) for part in parts))

    def _compare(self, compare: Compare) -> Condition:
        left, right, operator = self.term(compare.left), self.term(compare.right), compare.operator

        def check(c: Columns) -> Bools:
            with np.errstate(all="ignore"):
                a, b = left(c), right(c)
                difference = a - b
                slack = TOLERANCE * np.maximum(1.0, np.maximum(np.abs(a), np.abs(b)))
                # What has no value is NaN, and every comparison with NaN is false.
                return COMPARE[operator](difference, slack)

        return check

    def term(self, term: Term) -> Number:
        """What has a number (or the code of a text), as a function; NaN where it has none."""
        match term:
            case Constant(value):
                number = np.float64(self.vocabulary.code(value))
                return lambda _: number  # type: ignore[return-value]
            case ValueOf(feature):
                return lambda c: c.values[feature]
            case AttributeOf(feature, path):
                given = self._attribute(self.model.features[feature], path)
                missing = np.nan if isinstance(given, str) else 0.0
                code = self.vocabulary.code(given)  # type: ignore[arg-type]
                return lambda c: np.where(c.selected[feature], code, missing)
            case Aggregate():
                return self._aggregate(term)
            case Function():
                return self._function(term)
            case Arithmetic(operator, operands):
                parts = [self.term(operand) for operand in operands]
                apply = _ARITHMETIC[operator]
                return lambda c: reduce(apply, (part(c) for part in parts))

    def _attribute(self, feature: Feature, path: str) -> object:
        return nested(feature.attributes, tuple(path.split(".")))

    def members(self, aggregate: Aggregate) -> dict[str, float]:
        """The features that an aggregate ranges over and what each of them adds."""
        root = aggregate.root or self.model.root.name
        found = {}
        for feature in self.model.subtree(root):
            value = self._attribute(feature, aggregate.attribute)
            if value is not None:
                found[feature.name] = float(value)  # type: ignore[arg-type]
        return found

    def _aggregate(self, aggregate: Aggregate) -> Number:
        members = self.members(aggregate)
        mean = aggregate.function == "avg"

        def total(c: Columns) -> Floats:
            sums = [np.where(c.selected[name], value, 0.0) for name, value in members.items()]
            result: Floats = reduce(np.add, sums, np.float64(0.0))  # type: ignore[arg-type]
            if not mean:
                return result
            counts = [np.where(c.selected[name], 1.0, 0.0) for name in members]
            number: Floats = reduce(np.add, counts, np.float64(0.0))  # type: ignore[arg-type]
            with np.errstate(all="ignore"):
                return np.where(number > 0, result / number, np.nan)

        return total

    def _function(self, call: Function) -> Number:
        operand = self.term(call.operand)
        if call.function == "len":
            return lambda c: self.vocabulary.lengths(operand(c))
        apply = np.floor if call.function == "floor" else np.ceil
        return lambda c: apply(operand(c))


def _divide(a: Floats, b: Floats) -> Floats:
    quotient: Floats = np.where(b == 0, np.nan, a / np.where(b == 0, 1.0, b))
    return quotient


_CONNECTIVE: dict[type[Expression], Callable[[Bools, Bools], Bools]] = {
    And: lambda a, b: a & b,
    Or: lambda a, b: a | b,
    Implies: lambda a, b: ~a | b,
    Iff: lambda a, b: a == b,
}
_ARITHMETIC: dict[str, Callable[[Floats, Floats], Floats]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": _divide,
}
COMPARE: dict[str, Callable[[Floats, Floats], Bools]] = {
    "==": lambda d, slack: np.abs(d) <= slack,
    "!=": lambda d, slack: np.abs(d) > slack,
    "<": lambda d, slack: d < -slack,
    "<=": lambda d, slack: d <= slack,
    ">": lambda d, slack: d > slack,
    ">=": lambda d, slack: d >= -slack,
}
