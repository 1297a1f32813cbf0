"""Useless choices: what an inert feature amounts to, as constraints on the canonical form.

While the condition of a feature's attribute `inert` holds, the feature amounts to

* not being selected, where it is optional, in an or-group or in a cardinality;
* not being selected, where it is an alternative and not the default one of its group;
* itself with everything below it at its default, where it has to be selected.

The default of a group: the children with `default true`; else the child that the parent's
attribute `default 'name'` names; else nothing of an optional group, the first child of an
alternative and of an or-group, the first `n` of `[n..m]`.
"""

from __future__ import annotations

from collections.abc import Iterator

from tuner.features._model import Constraint, Feature, FeatureModel, Group
from tuner.features._rows import position
from tuner.features.expression import (
    And,
    Compare,
    Constant,
    Expression,
    Implies,
    Not,
    Selected,
    ValueOf,
)


def default_children(parent: Feature, group: Group) -> tuple[Feature, ...]:
    """The children that are selected where nothing else is asked for."""
    if group.kind == "mandatory":
        return group.features
    marked = tuple(f for f in group.features if f.attributes.get("default") is True)
    if not marked:
        wanted = parent.attributes.get("default")
        marked = tuple(f for f in group.features if f.name == wanted)
    return marked or group.features[: group.lower]


def inert_rules(model: FeatureModel) -> tuple[Constraint, ...]:
    """What a valid configuration fulfils besides, to be the canonical one of its class."""
    found = []
    for feature in model.features.values():
        inert = feature.inert
        if inert is not None:
            state = _state(model, feature)
            if state is not None:
                text = f"{feature.name} is inert where {inert.text}"
                rule = Implies(inert.expression, state)
                found.append(Constraint(rule, text, inert.comment, inert.line, feature.name))
    return tuple(found)


def _state(model: FeatureModel, feature: Feature) -> Expression | None:
    place = model.places.get(feature.name)
    if place is not None:
        parent, group = place
        free = group.kind in ("optional", "or") or group.lower < group.upper
        other = group.kind == "alternative" and feature not in default_children(parent, group)
        if free or other:
            return Not(Selected(feature.name))
    below = tuple(_at_default(feature))
    if not below:
        return None
    return Implies(Selected(feature.name), below[0] if len(below) == 1 else And(below))


def _at_default(feature: Feature) -> Iterator[Expression]:
    """What holds where a selected feature and everything below it are at their defaults."""
    if feature.typed:
        default = feature.domain[position(feature, feature.default)]
        yield Compare("==", ValueOf(feature.name), Constant(default))
    for group in feature.groups:
        chosen = default_children(feature, group)
        for child in group.features:
            if child in chosen:
                if group.kind != "mandatory":
                    yield Selected(child.name)
                yield from _at_default(child)
            else:
                yield Not(Selected(child.name))
