"""Useless choices: what an inert feature amounts to, as constraints on the canonical form.

While the condition of a feature's attribute `inert` holds, the feature amounts to

* not being selected, where it is optional, in an or-group or in a cardinality;
* not being selected, where it is an alternative and not the default one of its group;
* itself with everything below it at its default, where it has to be selected.

The default of a group: the children with `default true`; else the child that the parent's
attribute `default 'name'` names; else nothing of an optional group, the first child of an
alternative and of an or-group, the first `n` of `[n..m]`.

Where the constraints (pins among them) leave no valid configuration with a default, what they
leave takes its place: the one way that is left, the nearest number, the first value or
alternative.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tuner.features._model import Constraint, Feature, FeatureModel, Group
from tuner.features._values import Value, nearest_value
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

Possible = Callable[[str, Value], bool]
"""Whether a valid configuration has this feature with this value (True: selected), or, for the
value False, the parent of this feature without it."""


def default_children(parent: Feature, group: Group) -> tuple[Feature, ...]:
    """The children that are selected where nothing else is asked for."""
    if group.kind == "mandatory":
        return group.features
    marked = tuple(f for f in group.features if f.attributes.get("default") is True)
    if not marked:
        wanted = parent.attributes.get("default")
        marked = tuple(f for f in group.features if f.name == wanted)
    return marked or group.features[: group.lower]


def amounts_to_nothing(parent: Feature, group: Group, feature: Feature) -> bool:
    """Whether an inert feature amounts to not being selected, rather than to its defaults."""
    if group.kind == "alternative":
        return feature not in default_children(parent, group)
    return group.lower < group.upper


def inert_rules(model: FeatureModel, possible: Possible | None = None) -> tuple[Constraint, ...]:
    """What a valid configuration fulfils besides, to be the canonical one of its class.

    Args:
        model: the model.
        possible: what its constraints leave; None takes every default as possible.
    """
    found = []
    left = possible or (lambda _name, _value: True)
    for feature in model.features.values():
        inert = feature.inert
        if inert is not None:
            state = _state(model, feature, left)
            if state is not None:
                text = f"{feature.name} is inert where {inert.text}"
                rule = Implies(inert.expression, state)
                found.append(Constraint(rule, text, inert.comment, inert.line, feature.name))
    return tuple(found)


def defaults_asked(model: FeatureModel) -> Iterator[tuple[str, Value]]:
    """What `inert_rules` takes as possible: the questions to a `Possible`."""
    for feature in model.features.values():
        if feature.inert is None:
            continue
        if feature.name in model.parent_groups:
            parent, group = model.parent_groups[feature.name]
            if amounts_to_nothing(parent, group, feature):
                yield feature.name, False
            if group.kind == "alternative":
                yield default_children(parent, group)[0].name, True
        for below in model.subtree(feature.name):
            if below.typed:
                yield below.name, below.domain[nearest_value(below.domain, below.default)]
            for group in below.groups:
                chosen = default_children(below, group)
                if group.kind != "mandatory":
                    yield from ((child.name, child in chosen) for child in group.features)


def _state(model: FeatureModel, feature: Feature, possible: Possible) -> Expression | None:
    parent_group = model.parent_groups.get(feature.name)
    if parent_group is not None:
        parent, group = parent_group
        if group.kind == "alternative":
            default = _default_child(parent, group, possible)
            if feature is not default and possible(feature.name, False):
                return Not(Selected(feature.name))
        elif amounts_to_nothing(parent, group, feature) and possible(feature.name, False):
            return Not(Selected(feature.name))
    below = tuple(_at_default(feature, possible))
    if not below:
        return None
    return Implies(Selected(feature.name), below[0] if len(below) == 1 else And(below))


def _default_child(parent: Feature, group: Group, possible: Possible) -> Feature | None:
    """The child of an alternative that others amount to; None where no child is possible."""
    default = default_children(parent, group)[0]
    if possible(default.name, True):
        return default
    return next((child for child in group.features if possible(child.name, True)), None)


def _at_default(feature: Feature, possible: Possible) -> Iterator[Expression]:
    """What holds where a selected feature and everything below it are at their defaults."""
    if feature.typed:
        values = feature.domain
        wanted = values[nearest_value(values, feature.default)]
        if not possible(feature.name, wanted):
            values = tuple(v for v in values if possible(feature.name, v)) or values
            wanted = values[nearest_value(values, feature.default)]
        yield Compare("==", ValueOf(feature.name), Constant(wanted))
    for group in feature.groups:
        if group.kind == "alternative" or (group.lower, group.upper) == (1, 1):
            chosen = _default_child(feature, group, possible)
            for child in group.features:
                if child is chosen:
                    yield Selected(child.name)
                    yield from _at_default(child, possible)
                elif possible(child.name, True):
                    yield Not(Selected(child.name))
            continue
        every = default_children(feature, group)
        for child in group.features:
            on, sure = child in every, group.kind == "mandatory"
            if not sure and not possible(child.name, on):
                on, sure = not on, True  # the one way that is left
            if not sure:
                yield Selected(child.name) if on else Not(Selected(child.name))
            if on:
                yield from _at_default(child, possible)
