"""What fixes features: the user's pins, the machine's, and the model itself."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from tuner.errors import UserError
from tuner.features import (
    Constraint,
    Feature,
    FeatureModel,
    Group,
    checked,
    default_children,
    nearest_value,
    value_text,
)
from tuner.features import expression as ast
from tuner.space.configuration import Value


def pinned_model(
    model: FeatureModel,
    pins: Mapping[str, Value] | None = None,
    domains: Mapping[str, Sequence[Value]] | None = None,
    *,
    as_it_stands: bool = False,
) -> FeatureModel:
    """The feature model whose configurations are those that a search can meet.

    Pins and what the model itself fixes are constraints of it, replaced values stand in its
    features. `SearchSpace` and `tuner.features.compile_model` both take it, so both count the
    same thing.

    Fixed are, at their defaults and wherever they are selected, features of role `context` and
    those with the attribute `fixed true` (both inherited), unless they are pinned or their values
    are replaced.

    Args:
        model: the feature model as it stands in its file.
        pins: features that have to be selected (True), must not be (False), or have this value
            (for an alternative group: the name of the child).
        domains: values of typed features in place of those that the model lists; the first one
            becomes the default.
        as_it_stands: leave out what the model itself fixes.

    Raises:
        UserError: where a name or a value is none of the model's.
    """
    domains = domains or {}
    for name, values in domains.items():
        if not _feature(model, name).typed:
            raise UserError(f"'{name}' is true or false: it has no values to be replaced")
        if not values:
            raise UserError(f"'{name}' needs at least one value")
    held = {n: checked(_feature(model, n), v, domains.get(n)) for n, v in (pins or {}).items()}
    fixed = {} if as_it_stands else dict(_fixed(model, {*held, *domains}))
    if domains:
        model = model.with_attributes(
            {
                name: {"values": tuple(dict.fromkeys(values)), "default": values[0]}
                for name, values in domains.items()
            }
        )
    more = [_pinned(model, name, value) for name, value in held.items()]
    more += [_where_it_can_be(model, name, value) for name, value in fixed.items()]
    return replace(model, constraints=(*model.constraints, *more)) if more else model


def pin_text(name: str, value: Value) -> str:
    """A pin as it is written in `--set`."""
    return f"{name}={value_text(value)}"


def unknown(name: str, known: Iterable[str]) -> str:
    """A sentence about a name that is not there, with those that may have been meant."""
    known = list(known)
    lowered = {other.lower(): other for other in known}
    close = [lowered[n] for n in difflib.get_close_matches(name.lower(), [*lowered], 3, 0.6)]
    hint = f"did you mean {' or '.join(close)}?" if close else f"there are: {', '.join(known)}"
    return f"there is no '{name}'; {hint}"


def _feature(model: FeatureModel, name: str) -> Feature:
    if name not in model.features:
        raise UserError(f"{unknown(name, model.features)} (in --set, pins and domains)")
    return model.features[name]


def _fixed(model: FeatureModel, free: set[str]) -> Iterator[tuple[str, Value]]:
    """What the model itself fixes: features and their values or alternatives."""
    for name, (_, group) in model.parent_groups.items():
        held = model.inherited(name, "fixed") is True or model.inherited(name, "role") == "context"
        if held and name not in free:
            yield from _defaults(model.features[name], group)


def _defaults(feature: Feature, group: Group) -> Iterator[tuple[str, Value]]:
    """A feature's own defaults: not selected where it is optional; its value; its alternative."""
    if group.kind == "optional":
        yield feature.name, feature.attributes.get("default") is True
    elif feature.typed:
        values = feature.domain
        yield feature.name, values[nearest_value(values, feature.default)]
    else:
        for below in feature.groups:
            if below.kind == "alternative":
                yield feature.name, default_children(feature, below)[0].name


def _pinned(model: FeatureModel, name: str, value: Value) -> Constraint:
    """The constraint that a pin stands for."""
    return Constraint(_holds(model, name, value), pin_text(name, value))


def _where_it_can_be(model: FeatureModel, name: str, value: Value) -> Constraint:
    """The constraint of what is fixed: it holds wherever the feature is, or could be, selected."""
    where = model.parent_groups[name][0].name if value is True else name
    condition = ast.Implies(ast.Selected(where), _holds(model, name, value))
    return Constraint(condition, f"{pin_text(name, value)} (fixed)")


def _holds(model: FeatureModel, name: str, value: Value) -> ast.Expression:
    """The feature is selected, and has this value."""
    if isinstance(value, bool):
        return ast.Selected(name) if value else ast.Not(ast.Selected(name))
    if not model.features[name].typed:
        return ast.Selected(str(value))
    return ast.Compare("==", ast.ValueOf(name), ast.Constant(value))
