"""Features that are fixed: by the user, by the environment, by the model itself."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence

from tuner.errors import UserError
from tuner.features import Feature, FeatureModel, default_children
from tuner.space._layout import domain, place
from tuner.space.configuration import Value

_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def parse_pins(
    model: FeatureModel,
    texts: Iterable[str],
    *,
    domains: Mapping[str, Sequence[Value]] | None = None,
) -> dict[str, Value]:
    """Pins from texts like `num_beams=4`, `Sampling=false` or `search=Beams`.

    Raises:
        UserError: for what is no `feature=value`, an unknown feature, a value outside its domain,
            or the same feature twice with different values. Contradictions between pins show when
            the space is made.
    """
    pins: dict[str, Value] = {}
    for text in texts:
        name, sign, value = (part.strip() for part in text.partition("="))
        if not sign or not name or not value:
            raise UserError(f"'{text}' is no pin: write feature=value, for instance num_beams=4")
        found = _value(_feature(model, name), value, (domains or {}).get(name))
        if name in pins and pins[name] != found:
            raise UserError(f"'{name}' is pinned twice: to {pins[name]} and to {found}")
        pins[name] = found
    return pins


def check_pins(
    model: FeatureModel, pins: Mapping[str, Value], domains: Mapping[str, Sequence[Value]]
) -> dict[str, Value]:
    """The pins with values of the model's own types; `UserError` for what the model has not."""
    for name in domains:
        if not _feature(model, name).typed:
            raise UserError(f"'{name}' is true or false: it has no values to be replaced")
        if not domains[name]:
            raise UserError(f"'{name}' needs at least one value")
    return {n: _checked(_feature(model, n), value, domains.get(n)) for n, value in pins.items()}


def context_pins(
    model: FeatureModel, pins: Mapping[str, Value], domains: Mapping[str, Sequence[Value]]
) -> dict[str, Value]:
    """What the model fixes unless a pin or a domain says otherwise.

    Features of role `context` and features with the attribute `fixed true` stay at their defaults.
    """
    found: dict[str, Value] = {}
    for name, feature in model.features.items():
        fixed = model.inherited(name, "fixed") is True or model.inherited(name, "role") == "context"
        if not fixed or name in pins or name in domains or name not in model.places:
            continue
        kind = model.places[name][1].kind
        if kind == "mandatory" and feature.typed:
            values, default = domain(feature)
            found[name] = values[default]
        elif kind == "optional":
            found[name] = feature.attributes.get("default") is True
        for group in feature.groups:
            if group.kind == "alternative":
                found[name] = default_children(feature, group)[0].name
    return found


def shown(value: object) -> str:
    """A value as a person writes it in a sentence."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, int | float) else f"'{value}'"


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


def _value(feature: Feature, text: str, given: Sequence[Value] | None) -> Value:
    """The value that a text stands for."""
    word = _WORDS.get(text.lower())
    if feature.type in ("Integer", "Real") and word is None:
        try:
            return _checked(feature, float(text), given)
        except ValueError:
            pass
    return _checked(feature, text if word is None else word, given)


def _checked(feature: Feature, value: Value, given: Sequence[Value] | None) -> Value:
    """A pin's value in the model's own type; `UserError` where the feature can't have it."""
    if isinstance(value, bool):
        return value
    if feature.typed:
        values: Sequence[Value] = domain(feature, given)[0]
    else:
        values = [c.name for g in feature.groups if g.kind == "alternative" for c in g.features]
    index = place(values, value)
    if index is not None:
        return values[index]
    if not values:
        raise UserError(f"'{feature.name}' is true or false, not {shown(value)}")
    close = difflib.get_close_matches(str(value), [str(v) for v in values], 2)
    hint = f"; did you mean {' or '.join(close)}?" if close else ""
    listed = ", ".join(map(str, values))
    raise UserError(f"'{feature.name}' can't be {shown(value)}: it takes one of {listed}{hint}")
