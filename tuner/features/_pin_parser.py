"""Pins, as a person writes them in `--set`: `beams=4`, `Sampling=false`, `search=Beams`."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence

from tuner.features._errors import ModelError
from tuner.features._model import Feature, FeatureModel
from tuner.features._rows import find
from tuner.features._values import Value, index_of

_SWITCH = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}

Domains = Mapping[str, Sequence[Value]]
"""Values of typed features in place of those that the model lists."""


def parse_pins(
    model: FeatureModel, texts: Iterable[str], *, domains: Domains | None = None
) -> dict[str, Value]:
    """Pins from texts like `num_beams=4`, `Sampling=false` or `search=Beams`.

    A text that is one of the values of a feature is this value, also where it says `on` or `no`.

    Raises:
        ModelError: for what is no `feature=value`, an unknown feature, a value outside its domain,
            or the same feature twice with different values. Contradictions between pins show when
            the space is made.
    """
    pins: dict[str, Value] = {}
    for text in texts:
        name, sign, written = (part.strip() for part in text.partition("="))
        if not sign or not name or not written:
            raise ModelError(f"'{text}' is no choice: write feature=value, for instance beams=4")
        feature = find(model, name)
        value = checked(feature, _value(feature, written, domains), (domains or {}).get(name))
        if pins.setdefault(name, value) != value:
            raise ModelError(f"'{name}' is given twice: as {pins[name]} and as {value}")
    return pins


def checked(feature: Feature, value: Value, domain: Sequence[Value] | None = None) -> Value:
    """A pin's value in the model's own type; `ModelError` where the feature can't have it.

    Args:
        feature: what is pinned.
        value: True or False (selected or not), a value of a typed feature, or the name of a child
            of an alternative group.
        domain: values in place of those of the feature.
    """
    if isinstance(value, bool):
        return value
    values = _possible(feature, domain)
    index = index_of(values, value)
    if index is not None:
        return values[index]
    if not values:
        raise ModelError(f"feature '{feature.name}' is Boolean: true or false, not {value!r}")
    listed = ", ".join(map(str, values[:40])) + (", .." if len(values) > 40 else "")
    if feature.type in ("Integer", "Real") and isinstance(value, str):
        raise ModelError(f"'{feature.name}' needs a number, not '{value}': one of {listed}")
    close = difflib.get_close_matches(str(value), [str(v) for v in values], 2)
    hint = f"; did you mean {' or '.join(close)}?" if close else ""
    raise ModelError(f"'{feature.name}' can't be {value}: {listed}{hint}")


def selections(model: FeatureModel, pins: Mapping[str, Value]) -> dict[str, Value]:
    """Pins in terms of features: a parent set to one of its children is this child selected.

    Raises `ModelError` where a child is selected by one pin and not by another.
    """
    found: dict[str, Value] = {}
    for name, value in pins.items():
        is_child = isinstance(value, str) and not model.features[name].typed
        key, wanted = (str(value), True) if is_child else (name, value)
        if found.setdefault(key, wanted) != wanted:
            raise ModelError(f"'{key}' is given twice: as {found[key]} and as {wanted}")
    return found


def _value(feature: Feature, written: str, domains: Domains | None) -> Value:
    """The value that a text stands for."""
    if feature.type in ("Integer", "Real"):
        try:
            return float(written)
        except ValueError:
            return _SWITCH.get(written.lower(), written)
    if written in _possible(feature, (domains or {}).get(feature.name)):
        return written
    return _SWITCH.get(written.lower(), written)


def _possible(feature: Feature, domain: Sequence[Value] | None) -> Sequence[Value]:
    """The values of a typed feature, else the names of the children to choose between."""
    if feature.typed:
        return feature.domain if domain is None else tuple(domain)
    return [child.name for child in feature.children]
