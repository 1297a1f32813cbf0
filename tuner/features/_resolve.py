"""Looks up the names of a constraint and checks that its parts have the types they need."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tuner.features._errors import UvlError
from tuner.features._formula import COMPARISONS, Raw
from tuner.features._lexer import Source
from tuner.features._model import Feature
from tuner.features._values import Attribute, number
from tuner.features.expression import (
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
)

Kind = Literal["number", "text"]


def near(name: str, known: list[str]) -> str:
    """A clause that names what may have been meant, empty where nothing is close."""
    close = difflib.get_close_matches(name, known, 3) if len(known) < 20_000 else []
    return f"; did you mean {' or '.join(close)}?" if close else ""


def nested(attributes: Mapping[str, Attribute], path: tuple[str, ...]) -> Attribute | None:
    """The attribute at a path through nested attributes, None where there is none."""
    value: Attribute | None = attributes
    for part in path:
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return value


@dataclass
class Resolver:
    """The names of one model, and the source that errors point into."""

    features: Mapping[str, Feature]
    source: Source

    def condition(self, raw: Raw) -> Expression:
        """A constraint, or a part of one that is true or false."""
        if raw.kind == "name":
            return self._literal(raw)
        if raw.kind == "!":
            return Not(self.condition(raw.parts[0]))
        if raw.kind in COMPARISONS:
            return self._compare(raw)
        if raw.kind in ("&", "|"):
            parts = tuple(self.condition(part) for part in raw.parts)
            return And(parts) if raw.kind == "&" else Or(parts)
        if raw.kind in ("=>", "<=>"):
            left, right = (self.condition(part) for part in raw.parts)
            return Implies(left, right) if raw.kind == "=>" else Iff(left, right)
        raise self.source.error(
            raw.offset, "expected something true or false here, found a number or a text"
        )

    def _literal(self, raw: Raw) -> Expression:
        feature, path = self._find(raw)
        if not path:
            return Selected(feature.name)
        value = nested(feature.attributes, path)
        if not isinstance(value, bool):
            raise self.source.error(
                raw.offset, f"attribute '{'.'.join(path)}' is neither true nor false: compare it"
            )
        return AttributeOf(feature.name, ".".join(path))

    def _compare(self, raw: Raw) -> Compare:
        left, kind = self._term(raw.parts[0])
        right, other = self._term(raw.parts[1])
        if kind != other:
            raise self.source.error(raw.offset, "a number is compared with a text")
        if kind == "text" and raw.kind not in ("==", "!="):
            raise self.source.error(raw.offset, "texts are compared by '==' and '!=' alone")
        return Compare(raw.kind, left, right)  # type: ignore[arg-type]

    def _term(self, raw: Raw) -> tuple[Term, Kind]:
        if raw.kind in ("number", "text"):
            return Constant(raw.value), raw.kind  # type: ignore[arg-type, return-value]
        if raw.kind == "name":
            return self._valued(raw)
        if raw.kind in ("sum", "avg"):
            return self._aggregate(raw), "number"
        if raw.kind in ("len", "floor", "ceil"):
            operand, kind = self._valued(raw.parts[0])
            if (kind == "text") != (raw.kind == "len"):
                needs = "a text" if raw.kind == "len" else "a number"
                raise self.source.error(raw.offset, f"`{raw.kind}` needs {needs}")
            return Function(raw.kind, operand), "number"  # type: ignore[arg-type]
        if raw.kind in ("+", "-", "*", "/"):
            terms = [self._term(part) for part in raw.parts]
            for part, (_, kind) in zip(raw.parts, terms, strict=True):
                if kind != "number":
                    raise self.source.error(part.offset, f"'{raw.kind}' needs numbers, not texts")
            return Arithmetic(raw.kind, tuple(term for term, _ in terms)), "number"  # type: ignore[arg-type]
        raise self.source.error(
            raw.offset, f"expected a number or a text, found a condition ('{raw.kind}')"
        )

    def _valued(self, raw: Raw) -> tuple[ValueOf | AttributeOf, Kind]:
        feature, path = self._find(raw)
        if not path:
            if not feature.typed:
                raise self.source.error(
                    raw.offset, f"feature '{feature.name}' is Boolean and has no value to compare"
                )
            return ValueOf(feature.name), "text" if feature.type == "String" else "number"
        value = nested(feature.attributes, path)
        if not number(value) and not isinstance(value, str):
            raise self.source.error(
                raw.offset, f"attribute '{'.'.join(path)}' is neither a number nor a text"
            )
        return AttributeOf(feature.name, ".".join(path)), "text" if isinstance(
            value, str
        ) else "number"

    def _aggregate(self, raw: Raw) -> Aggregate:
        names = [".".join(part.value) for part in raw.parts]  # type: ignore[arg-type]
        attribute, root = names[-1], names[0] if len(names) == 2 else None
        if root is not None and root not in self.features:
            # The language's own tools disagree on the order of the two names.
            attribute, root = root, attribute
        if root is not None and root not in self.features:
            raise self._unknown(raw.parts[0].offset, names[0])
        path, found = tuple(attribute.split(".")), False
        for feature in self.features.values():
            value = nested(feature.attributes, path)
            found = found or value is not None
            if value is not None and not number(value):
                raise self.source.error(
                    raw.offset, f"attribute '{attribute}' of feature '{feature.name}' is no number"
                )
        if not found:
            raise self.source.error(raw.offset, f"no feature has an attribute '{attribute}'")
        return Aggregate(raw.kind, attribute, root)  # type: ignore[arg-type]

    def _find(self, raw: Raw) -> tuple[Feature, tuple[str, ...]]:
        """The feature that a name starts with, and the path of an attribute after it."""
        parts: tuple[str, ...] = raw.value  # type: ignore[assignment]
        for n in range(len(parts), 0, -1):
            feature = self.features.get(".".join(parts[:n]))
            if feature is not None:
                path = parts[n:]
                if path and nested(feature.attributes, path) is None:
                    raise self.source.error(
                        raw.offset,
                        f"feature '{feature.name}' has no attribute '{'.'.join(path)}'"
                        + near(".".join(path), list(feature.attributes)),
                    )
                return feature, path
        raise self._unknown(raw.offset, ".".join(parts))

    def _unknown(self, offset: int, name: str) -> UvlError:
        hint = near(name, list(self.features))
        return self.source.error(offset, f"there is no feature '{name}'{hint}")
