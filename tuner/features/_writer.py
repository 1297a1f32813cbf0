"""Writes a feature model as UVL that reads back equal."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from tuner.features._errors import ModelError
from tuner.features._model import Constraint, Feature, FeatureModel, Group
from tuner.features._syntax import KEYWORDS
from tuner.features._values import Attribute
from tuner.features.expression import (
    Aggregate,
    And,
    Arithmetic,
    AttributeOf,
    Compare,
    Constant,
    Function,
    Iff,
    Implies,
    Node,
    Not,
    Or,
    Selected,
    ValueOf,
    rename,
)

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_STRENGTH = {Iff: 1, Implies: 2, Or: 3, And: 4, Not: 5, Compare: 6}
_WORDS: dict[type[Node], str] = {Implies: "=>", Iff: "<=>"}
_SIGNS = {"+": 7, "-": 7, "*": 8, "/": 8}


def write_uvl(model: FeatureModel) -> str:
    """The text of a model.

    A model that imports others is written as one: `fn.Name` becomes `fn_Name`. What only mattered
    to the reader (blank lines, brackets that change nothing, comments that are not right above a
    feature or a constraint) is not kept.
    """
    names = _names(model)
    lines = []
    if model.namespace:
        lines += ["namespace " + ".".join(_name(n) for n in model.namespace.split(".")), ""]
    if model.includes:
        lines += ["include", *("\t" + level for level in model.includes), ""]
    lines += ["features", *_feature(model.root, names, 1)]
    if model.constraints:
        lines += ["", "constraints"]
        for constraint in model.constraints:
            lines += _comment(constraint.comment, 1)
            lines.append("\t" + _condition(constraint, names))
    return "\n".join(lines) + "\n"


def write_expression(node: Node) -> str:
    """A constraint, or a part of one, as text."""
    text, _ = _write(node)
    return text


def _names(model: FeatureModel) -> Mapping[str, str]:
    """New names for features whose names have dots."""
    found = {name: name.replace(".", "_") for name in model.features if "." in name}
    taken = set(model.features)
    for new in found.values():
        if new in taken:
            raise ModelError(f"two features would be called '{new}' in one file: rename one")
        taken.add(new)
    return found


def _feature(feature: Feature, names: Mapping[str, str], depth: int) -> Iterator[str]:
    yield from _comment(feature.comment, depth)
    typed = f"{feature.type} " if feature.typed else ""
    values = dict(feature.attributes)
    if names and feature.inert is not None:
        values["inert"] = _condition(feature.inert, names).replace("'", "`")
    attributes = [_attribute(key, value) for key, value in values.items()]
    attributes += [f"constraint {_condition(c, names)}" for c in feature.constraints]
    suffix = f" {{{', '.join(attributes)}}}" if attributes else ""
    yield "\t" * depth + typed + _name(names.get(feature.name, feature.name)) + suffix
    for group in feature.groups:
        yield "\t" * (depth + 1) + _group(group)
        for child in group.features:
            yield from _feature(child, names, depth + 2)


def _comment(comment: str, depth: int) -> list[str]:
    return ["\t" * depth + f"// {line}".rstrip() for line in comment.split("\n") if comment]


def _group(group: Group) -> str:
    if group.kind != "cardinality":
        return group.kind
    if group.lower == group.upper:
        return f"[{group.lower}]"
    return f"[{group.lower}..{group.upper}]"


def _name(name: str) -> str:
    return name if _PLAIN.fullmatch(name) and name not in KEYWORDS else f'"{name}"'


def _path(dotted: str) -> str:
    return ".".join(_name(part) for part in dotted.split("."))


def _attribute(key: str, value: Attribute) -> str:
    if value is True and key == "abstract":
        return "abstract true"
    return f"{_name(key)} {_value(value)}"


def _value(value: Attribute) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"'{value}'"
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, tuple):
        return f"[{', '.join(_value(v) for v in value)}]"
    return "{" + ", ".join(_attribute(k, v) for k, v in value.items()) + "}"


def _number(value: int | float) -> str:
    """A number without an exponent, which the official grammar has not."""
    if isinstance(value, int):
        return str(value)
    text = repr(value)
    if "e" not in text:
        return text
    sign, text = ("-", text[1:]) if text.startswith("-") else ("", text)
    mantissa, exponent = text.split("e")
    whole, _, fraction = mantissa.partition(".")
    shift, digits = int(exponent), whole + fraction
    point = len(whole) + shift
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    if point >= len(digits):
        return f"{sign}{digits}{'0' * (point - len(digits))}.0"
    return f"{sign}{digits[:point]}.{digits[point:]}"


def _condition(constraint: Constraint, names: Mapping[str, str]) -> str:
    return write_expression(
        rename(constraint.expression, names) if names else constraint.expression
    )


def _write(node: Node) -> tuple[str, int]:
    """The text of a node, and how strongly its outermost operator binds (9: nothing splits it)."""
    match node:
        case Selected(name) | ValueOf(name):
            return _path(name), 9
        case AttributeOf(name, attribute):
            return f"{_path(name)}.{_path(attribute)}", 9
        case Constant(value):
            return _value(value), 9
        case Aggregate(function, attribute, root):
            inside = _path(attribute) if root is None else f"{_path(root)}, {_path(attribute)}"
            return f"{function}({inside})", 9
        case Function(function, operand):
            return f"{function}({write_expression(operand)})", 9
    return _operator(node)


def _operator(node: Node) -> tuple[str, int]:
    match node:
        case Not(operand):
            return "!" + _within(operand, 5), 5
        case Arithmetic(sign, operands):
            return _chain(operands, f" {sign} ", _SIGNS[sign]), _SIGNS[sign]
        case And(parts):
            return _chain(parts, " & ", 4), 4
        case Or(parts):
            return _chain(parts, " | ", 3), 3
        case Implies(left, right) | Iff(left, right) | Compare(_, left, right):
            word = node.operator if isinstance(node, Compare) else _WORDS[type(node)]
            strength = _STRENGTH[type(node)]
            return _chain((left, right), f" {word} ", strength), strength
    raise TypeError(f"no part of a constraint: {node!r}")


def _chain(parts: tuple[Node, ...], sign: str, strength: int) -> str:
    """Operands in a row; the first may bind as strongly as the operator, unless it is the same."""
    first = _write(parts[0])
    same = (
        sign.strip() in "&|+*" and type(parts[0]) is not Compare and _same(parts[0], sign.strip())
    )
    open_ = first[1] < strength or (first[1] == strength and (same or strength == 6))
    head = f"({first[0]})" if open_ else first[0]
    return sign.join([head, *(_within(part, strength + 1) for part in parts[1:])])


def _same(node: Node, sign: str) -> bool:
    """Whether the reader would take the operands of a node for those of the one above it."""
    if isinstance(node, Arithmetic):
        return node.operator == sign and sign in "+*"
    return isinstance(node, And | Or)


def _within(node: Node, weakest: int) -> str:
    text, strength = _write(node)
    return text if strength >= weakest else f"({text})"
