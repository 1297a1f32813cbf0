"""What a model says that is probably not meant: warnings, each with its place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tuner.features._deadline import check_deadline
from tuner.features._errors import ModelError
from tuner.features._model import Constraint, Feature, FeatureModel
from tuner.features._rows import position
from tuner.features._values import number
from tuner.features.expression import (
    And,
    Compare,
    Expression,
    Iff,
    Implies,
    Node,
    Not,
    Or,
    Selected,
    ValueOf,
    children,
    walk,
)


@dataclass(frozen=True)
class Remark:
    """One thing worth a look.

    Attributes:
        line: where it is in the file, 0 where that is not known.
        text: what is the matter.
    """

    line: int
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.text}" if self.line else self.text


def lint(model: FeatureModel) -> tuple[Remark, ...]:
    """Warnings about domains, defaults, groups and comparisons, in the order of the file."""
    found = [Remark(0, note) for note in model.notes]
    for feature in model.features.values():
        check_deadline()
        found += (Remark(feature.line, text) for text in _feature(feature))
    for constraint in model.all_constraints:
        check_deadline()
        found += (Remark(constraint.line, text) for text in _constraint(model, constraint))
    return tuple(found)


def _feature(feature: Feature) -> Iterator[str]:
    if feature.typed:
        yield from _domain(feature)
    elif feature.attributes.keys() & {"values", "min", "max", "step", "log"}:
        yield f"feature '{feature.name}' is Boolean: a domain needs a type (Integer, Real, String)"
    for group in feature.groups:
        n = len(group.features)
        if group.lower > n:
            yield f"feature '{feature.name}' needs {group.lower} of {n} children: never selected"
        elif group.kind == "cardinality" and group.upper > n:
            yield f"feature '{feature.name}' allows {group.upper} of {n} children"


def _domain(feature: Feature) -> Iterator[str]:
    try:
        domain = feature.domain
    except ModelError as error:
        yield str(error)
        return
    default = feature.attributes.get("default")
    if default is None:
        return
    try:
        position(feature, default)  # type: ignore[arg-type]
    except ModelError:
        yield f"the default {default!r} of feature '{feature.name}' is not in its domain"
    if number(default) and "values" not in feature.attributes and domain:
        low, high = domain[0], domain[-1]
        if not low <= default <= high:  # type: ignore[operator]
            yield f"the default {default!r} of feature '{feature.name}' is beyond {low} to {high}"


def _constraint(model: FeatureModel, constraint: Constraint) -> Iterator[str]:
    """Comparisons with features of which nothing makes sure that they are selected."""
    for compare, guards in _comparisons(constraint.expression, frozenset()):
        for node in walk(compare):
            if isinstance(node, ValueOf) and not _sure(model, node.feature, guards):
                yield (
                    f"`{constraint.text}` is false where '{node.feature}' is not selected: guard"
                    f" it, as in `{node.feature} => ..`, if that is not meant"
                )


def _comparisons(
    expression: Expression, guards: frozenset[str]
) -> Iterator[tuple[Compare, frozenset[str]]]:
    """Comparisons that make a constraint fail where they are false, and what guards them.

    A comparison under a negation, in a premise or beside an alternative without it decides
    nothing alone, and is left out.
    """
    match expression:
        case Compare():
            yield expression, guards
        case And(operands):
            for operand in operands:
                yield from _comparisons(operand, guards)
        case Implies(left, right):
            yield from _comparisons(right, guards | _demanded(left))
        case Or(operands):
            ruled_out = frozenset(
                o.operand.feature
                for o in operands
                if isinstance(o, Not) and isinstance(o.operand, Selected)
            )
            rest = [o for o in operands if not isinstance(o, Not)]
            if len(rest) == 1:
                yield from _comparisons(rest[0], guards | ruled_out)


def _demanded(node: Node) -> frozenset[str]:
    """Features that are selected wherever a premise holds."""
    match node:
        case Selected(feature):
            return frozenset([feature])
        case And(operands):
            return frozenset().union(*(_demanded(operand) for operand in operands))
        case Compare():
            return frozenset(n.feature for n in walk(node) if isinstance(n, ValueOf))
        case Or() | Iff() | Implies():
            parts = [_demanded(part) for part in children(node)] if isinstance(node, Or) else []
            return frozenset.intersection(*parts) if parts else frozenset()
    return frozenset()


def _sure(model: FeatureModel, name: str, guards: frozenset[str]) -> bool:
    """Whether the tree makes sure that a feature is selected where the guards are."""
    certain = set()
    for guard in guards | {model.root.name}:
        feature: Feature | None = model.features[guard]
        while feature is not None:
            certain.add(feature.name)
            feature = model.parent(feature.name)
    feature = model.features[name]
    while feature is not None and feature.name not in certain:
        place = model.parent_groups.get(feature.name)
        if place is None or place[1].lower < len(place[1].features):
            return False
        feature = place[0]
    return True
