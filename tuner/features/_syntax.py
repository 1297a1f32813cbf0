"""From tokens to the tree that a file writes, names not yet looked up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tuner.features._cursor import Cursor
from tuner.features._deadline import check_deadline
from tuner.features._formula import RawConstraint, constraint
from tuner.features._values import GroupKind

GROUPS = ("mandatory", "optional", "or", "alternative")
TYPES = ("Boolean", "Integer", "Real", "String")
LEVELS = {
    "Boolean": ("group-cardinality", "feature-cardinality"),
    "Arithmetic": ("feature-cardinality", "aggregate-function"),
    "Type": ("numeric-constraints", "string-constraints"),
}
KEYWORDS = {
    *(*GROUPS, *TYPES, "features", "constraints", "constraint", "imports", "include"),
    *("namespace", "cardinality", "as", "true", "false", "sum", "avg", "len", "floor", "ceil"),
    *("Type", "Arithmetic"),
}
"""Words that are no names unless in quotation marks."""


@dataclass
class RawGroup:
    """A group as written; `upper` None is `*`."""

    kind: GroupKind
    lower: int
    upper: int | None
    features: list[RawFeature]


@dataclass
class RawFeature:
    """A feature as written."""

    parts: tuple[str, ...]
    type: str | None
    offset: int
    comment: str
    attributes: dict[str, Any] = field(default_factory=dict)
    places: dict[str, int] = field(default_factory=dict)  # offsets of the attributes
    constraints: list[RawConstraint] = field(default_factory=list)
    groups: list[RawGroup] = field(default_factory=list)


@dataclass
class RawModel:
    """A file as written."""

    root: RawFeature
    namespace: str | None
    includes: list[str]
    imports: list[tuple[tuple[str, ...], str, int]]  # path, alias, offset
    constraints: list[RawConstraint]


def parse(cursor: Cursor) -> RawModel:
    """Read a whole file."""
    found: dict[str, Any] = {}
    readers: dict[str, Callable[[Cursor], Any]] = {
        "namespace": _namespace,
        "include": lambda c: _block(c, _include),
        "imports": lambda c: _block(c, _import),
        "features": _features,
        "constraints": lambda c: _block(c, _constraint_line),
    }
    while cursor.token[0] != "end":
        kind, word, offset = cursor.token
        if kind != "name" or word not in readers:
            raise cursor.error(f"one of the sections {', '.join(readers)} at the line's start")
        if word in found:
            raise cursor.source.error(offset, f"a second section `{word}`")
        cursor.at += 1
        found[word] = readers[word](cursor)
    if "features" not in found:
        reason = "there is no feature: expected a section `features` with a root feature"
        raise cursor.source.error(cursor.token[2], reason)
    return RawModel(
        found["features"],
        found.get("namespace"),
        found.get("include", []),
        found.get("imports", []),
        found.get("constraints", []),
    )


def _block(cursor: Cursor, line: Callable[[Cursor], Any]) -> list[Any]:
    cursor.expect("newline", "the end of the line")
    found = []
    if cursor.accept("indent"):
        while not cursor.accept("dedent"):
            found.append(line(cursor))
    return found


def _namespace(cursor: Cursor) -> str:
    name = ".".join(cursor.reference("a name"))
    cursor.expect("newline", "the end of the line")
    return name


def _include(cursor: Cursor) -> str:
    _, major, offset = cursor.expect("name", "a language level")
    minor = ""
    if cursor.accept("."):
        if cursor.accept("*"):
            minor = "*"
        else:
            minor = cursor.expect("name", "a language level")[1]
            while cursor.accept("-"):
                minor += "-" + cursor.expect("name", "a language level")[1]
    if major not in LEVELS or (minor not in ("", "*") and minor not in LEVELS[major]):
        known = ", ".join([*LEVELS, *(f"{a}.{b}" for a, bs in LEVELS.items() for b in bs)])
        raise cursor.source.error(offset, f"unknown language level: expected one of {known}")
    cursor.expect("newline", "the end of the line")
    return f"{major}.{minor}" if minor else major


def _import(cursor: Cursor) -> tuple[tuple[str, ...], str, int]:
    offset = cursor.token[2]
    path = cursor.reference("the name of a model")
    alias = cursor.reference("another name for it") if cursor.keyword("as") else path
    cursor.expect("newline", "the end of the line")
    return path, ".".join(alias), offset


def _features(cursor: Cursor) -> RawFeature:
    cursor.expect("newline", "the end of the line")
    cursor.expect("indent", "a root feature, deeper than `features`")
    root = _feature(cursor)
    if not cursor.accept("dedent"):
        raise cursor.error("nothing after the root feature: a model has one root")
    return root


def _constraint_line(cursor: Cursor) -> RawConstraint:
    check_deadline("read")
    found = constraint(cursor)
    cursor.expect("newline", "an operator or the end of the line")
    return found


def _feature(cursor: Cursor) -> RawFeature:
    check_deadline("read")
    with cursor.deeper("features"):
        kind, text, offset = cursor.token
        type_ = None
        if kind == "name" and text in TYPES:
            type_ = text
            cursor.at += 1
        if cursor.token[0] == "name" and cursor.token[1] in KEYWORDS:
            raise cursor.error("a feature (a keyword as its name goes in quotation marks)")
        comment = cursor.comment_above(cursor.source.place(offset)[0])
        feature = RawFeature(cursor.reference("a feature"), type_, offset, comment)
        if cursor.keyword("cardinality"):
            _feature_cardinality(cursor)
        if cursor.token[0] == "{":
            feature.attributes = _attributes(cursor, feature)
        cursor.expect("newline", "attributes in '{..}' or the end of the line")
        if cursor.accept("indent"):
            while not cursor.accept("dedent"):
                feature.groups.append(_group(cursor))
    return feature


def _feature_cardinality(cursor: Cursor) -> None:
    offset = cursor.token[2]
    if _cardinality(cursor) != (1, 1):
        raise cursor.source.error(
            offset,
            "several clones of one feature are not supported: write how many there are as an"
            " Integer feature with `min` and `max`",
        )


def _cardinality(cursor: Cursor) -> tuple[int, int | None]:
    offset = cursor.expect("[", "a cardinality, as in [1..3]")[2]
    lower = cursor.count()
    upper: int | None = lower
    if cursor.accept(".."):
        upper = None if cursor.accept("*") else cursor.count()
    cursor.expect("]", "']' after the cardinality")
    if upper is not None and lower > upper:
        raise cursor.source.error(offset, f"at least {lower} and at most {upper} is impossible")
    return lower, upper


def _group(cursor: Cursor) -> RawGroup:
    kind, text, _ = cursor.token
    lower, upper = 0, None
    if kind == "[":
        text = "cardinality"
        lower, upper = _cardinality(cursor)
    elif kind == "name" and text in GROUPS:
        cursor.at += 1
    else:
        raise cursor.error("a group (mandatory, optional, or, alternative, [n..m])")
    cursor.expect("newline", "the end of the line")
    cursor.expect("indent", "the features of the group, deeper than it")
    features = []
    while not cursor.accept("dedent"):
        features.append(_feature(cursor))
    return RawGroup(text, lower, upper, features)  # type: ignore[arg-type]


def _attributes(cursor: Cursor, feature: RawFeature | None) -> dict[str, Any]:
    """Attributes in braces; `feature` is None for nested ones, which carry no constraints."""
    found: dict[str, Any] = {}
    with cursor.deeper("attributes"):
        cursor.expect("{", "'{'")
        first = True
        while not cursor.accept("}"):
            if not first:
                cursor.expect(",", "',' or '}' after an attribute")
            first = False
            offset = cursor.token[2]
            if feature and cursor.keyword("constraint"):
                feature.constraints.append(constraint(cursor))
                continue
            if feature and cursor.keyword("constraints"):
                feature.constraints.extend(_constraint_list(cursor))
                continue
            key = cursor.name("the name of an attribute")
            if key in found:
                raise cursor.source.error(offset, f"attribute '{key}' is given twice")
            found[key] = True if cursor.token[0] in (",", "}") else _value(cursor)
            if feature:
                feature.places[key] = offset
    return found


def _constraint_list(cursor: Cursor) -> list[RawConstraint]:
    cursor.expect("[", "'[' before a list of constraints")
    found: list[RawConstraint] = []
    while not cursor.accept("]"):
        if found:
            cursor.expect(",", "',' or ']' after a constraint")
        found.append(constraint(cursor))
    return found


def _value(cursor: Cursor) -> Any:
    kind, text, _ = cursor.token
    if kind == "text" or (kind == "name" and text in ("true", "false")):
        cursor.at += 1
        return text if kind == "text" else text == "true"
    if kind in ("number", "-"):
        return cursor.number()
    if kind == "{":
        return _attributes(cursor, None)
    if kind == "[":
        return _vector(cursor)
    raise cursor.error("a value (true, false, a number, 'text', [..] or {..})")


def _vector(cursor: Cursor) -> tuple[Any, ...]:
    values: list[Any] = []
    with cursor.deeper("vectors"):
        offset = cursor.expect("[", "'['")[2]
        while not cursor.accept("]"):
            if values:
                cursor.expect(",", "',' or ']' after a value")
            values.append(_value(cursor))
    if len(values) == 1 and isinstance(values[0], int):
        cursor.note(offset, "the official grammar takes one number in [..] for a cardinality")
    return tuple(values)
