"""Choices as a person writes them: `beams=4`, `Sampling=false`, `search=Beams`."""

from __future__ import annotations

from collections.abc import Iterable

from tuner.features._errors import ModelError
from tuner.features._model import Feature, FeatureModel, Value
from tuner.features._rows import find, position

_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def parse_choices(model: FeatureModel, texts: Iterable[str]) -> dict[str, Value]:
    """Choices from texts; `ModelError` for what is unknown, malformed or said twice."""
    found: dict[str, Value] = {}
    for text in texts:
        name, sign, word = (part.strip() for part in text.partition("="))
        if not sign or not name or not word:
            raise ModelError(f"'{text}' is no choice: write feature=value, for instance beams=4")
        feature = find(model, name)
        children = {child.name: child for child in feature.children}
        if not feature.typed and word in children:
            name, value = word, True  # a parent set to one of its children
        else:
            value = _value(feature, word)  # type: ignore[assignment]
        if found.setdefault(name, value) != value:
            raise ModelError(f"'{name}' is given twice: as {found[name]} and as {value}")
    return found


def _value(feature: Feature, word: str) -> Value:
    if word.lower() in _WORDS and not (feature.type == "String" and word in feature.domain):
        return _WORDS[word.lower()]
    if not feature.typed:
        raise ModelError(f"feature '{feature.name}' is Boolean: true or false, not '{word}'")
    value: Value = word
    if feature.type != "String":
        try:
            value = float(word)
        except ValueError:
            raise ModelError(f"feature '{feature.name}' needs a number, not '{word}'") from None
    return feature.domain[position(feature, value)]
