"""Constraints as a file writes them: operators, numbers, texts and names not yet looked up.

Operators from weak to strong: `<=>`, `=>`, `|`, `&`, `!`, comparisons, `+ -`, `* /`; all of them
group to the left, as in the official grammar.
"""

from __future__ import annotations

from dataclasses import dataclass

from tuner.features._cursor import DEEPEST, Cursor

COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")
_NEGATION = 5
_STRENGTH = {"<=>": 1, "=>": 2, "|": 3, "&": 4, "+": 7, "-": 7, "*": 8, "/": 8}
_STRENGTH.update(dict.fromkeys(COMPARISONS, 6))
_MANY = {"&", "|", "+", "*"}  # one node for a chain of them
_CALLS = {"sum": 2, "avg": 2, "len": 1, "floor": 1, "ceil": 1}


@dataclass(slots=True)
class Raw:
    """A node of a constraint as written.

    Attributes:
        kind: an operator, `name`, `number`, `text`, or the name of a function.
        parts: operands (`Raw`), or the arguments of a function.
        offset: where it stands in the text.
        height: levels of operators below, and this one.
        closed: whether it stands in brackets.
        value: of a number or a text; the parts between the dots of a name.
    """

    kind: str
    offset: int
    parts: list[Raw]
    height: int = 1
    closed: bool = False
    value: int | float | str | tuple[str, ...] = ""


@dataclass(frozen=True, slots=True)
class RawConstraint:
    """A constraint as written, with its text on one line."""

    tree: Raw
    text: str
    offset: int


def constraint(cursor: Cursor) -> RawConstraint:
    """Read one constraint."""
    start = cursor.token[2]
    tree = _expression(cursor, 0)
    kind, text, offset = cursor.tokens[cursor.at - 1]
    end = offset + len(text) + (2 if kind in ("text", "quoted") else 0)
    return RawConstraint(tree, " ".join(cursor.source.text[start:end].split()), start)


def _expression(cursor: Cursor, weakest: int) -> Raw:
    """A tree of operators that bind at least as strongly as `weakest`."""
    left = _operand(cursor)
    while (strength := _STRENGTH.get(cursor.token[0], -1)) >= weakest:
        operator, _, offset = cursor.token
        cursor.at += 1
        right = _expression(cursor, strength + 1)
        if operator in _MANY and left.kind == operator and not left.closed:
            left.parts.append(right)
            left.height = max(left.height, right.height + 1)
        else:
            height = max(left.height, right.height) + 1
            left = Raw(operator, offset, [left, right], height)
        if left.height > DEEPEST:
            raise cursor.source.error(offset, f"operators nested deeper than {DEEPEST} levels")
        if operator in COMPARISONS and cursor.token[0] in COMPARISONS:
            raise cursor.error("one comparison: join several with '&'")
    return left


def _operand(cursor: Cursor) -> Raw:
    kind, text, offset = cursor.token
    if kind == "!":
        with cursor.deeper("'!'"):
            cursor.at += 1
            operand = _expression(cursor, _NEGATION)
        return Raw("!", offset, [operand], operand.height + 1)
    if kind == "(":
        with cursor.deeper("brackets"):
            cursor.at += 1
            inner = _expression(cursor, 0)
            cursor.expect(")", "an operator or ')'")
        inner.closed = True
        return inner
    if kind in ("number", "-"):
        if kind == "-":
            cursor.note(offset, "the official grammar has no minus sign before a number")
        return Raw("number", offset, [], value=cursor.number())
    if kind == "text":
        cursor.at += 1
        return Raw("text", offset, [], value=text)
    if kind == "name" and text in _CALLS and cursor.following == "(":
        return _call(cursor)
    if kind == "name" and text in ("true", "false"):
        raise cursor.source.error(offset, f"UVL has no `{text}` in a constraint")
    return _name(cursor, "a feature, a number, 'text', '!' or '('")


def _name(cursor: Cursor, expected: str) -> Raw:
    offset = cursor.token[2]
    return Raw("name", offset, [], value=cursor.reference(expected))


def _call(cursor: Cursor) -> Raw:
    _, function, offset = cursor.token
    cursor.at += 2
    arguments = [_name(cursor, "a feature or an attribute")]
    while not cursor.accept(")"):
        cursor.expect(",", "',' or ')'")
        arguments.append(_name(cursor, "a feature or an attribute"))
    if len(arguments) > _CALLS[function]:
        most = _CALLS[function]
        raise cursor.source.error(offset, f"`{function}` takes no more than {most} name(s)")
    return Raw(function, offset, arguments)
