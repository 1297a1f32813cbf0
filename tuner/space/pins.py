"""Features that are fixed: by the user, by the environment, by the model itself."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tuner.errors import UserError
from tuner.features import Feature, FeatureModel, Group, default_children
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


@dataclass(frozen=True)
class Pins:
    """What is fixed.

    Attributes:
        given: features that have to be selected (True), must not be (False), or have this value.
        fixed: what the model itself fixes: values and children that features have if selected.
    """

    given: Mapping[str, Value]
    fixed: Mapping[str, Value]


def pins_of(
    model: FeatureModel, given: Mapping[str, Value], domains: Mapping[str, Sequence[Value]]
) -> Pins:
    """The given pins in the model's own types, and what the model fixes besides.

    Features of role `context` and with the attribute `fixed true`, both inherited, stay at their
    defaults, unless they are pinned or their domain is replaced.

    Raises:
        UserError: where a name or a value is none of the model's.
    """
    for name in domains:
        if not _feature(model, name).typed:
            raise UserError(f"'{name}' is true or false: it has no values to be replaced")
        if not domains[name]:
            raise UserError(f"'{name}' needs at least one value")
    checked = {n: _checked(_feature(model, n), v, domains.get(n)) for n, v in given.items()}
    fixed: dict[str, Value] = {}
    for name, (_, group) in model.places.items():
        held = model.inherited(name, "fixed") is True or model.inherited(name, "role") == "context"
        if held and name not in checked and name not in domains:
            fixed.update(_defaults(model.features[name], group))
    return Pins(checked, fixed)


def _defaults(feature: Feature, group: Group) -> Iterator[tuple[str, Value]]:
    """A feature's own defaults: not selected where it is optional; its value; its alternative."""
    if group.kind == "optional":
        yield feature.name, feature.attributes.get("default") is True
    elif feature.typed:
        values, default = domain(feature)
        yield feature.name, values[default]
    else:
        for below in feature.groups:
            if below.kind == "alternative":
                yield feature.name, default_children(feature, below)[0].name


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
