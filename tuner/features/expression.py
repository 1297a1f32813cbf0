"""The language of constraints as frozen trees.

Meanings, the same wherever a constraint is evaluated or compiled:

* A typed feature that is not selected has no value; a comparison that touches it is false.
* The numeric attribute of a feature that is not selected counts 0; its text attribute has no
  value; its Boolean attribute is false.
* `sum` adds an attribute over the selected features of a subtree, `avg` divides by their number
  and has no value where none is selected. What is divided by zero has no value.
* Numbers are IEEE doubles; two numbers that differ by no more than `TOLERANCE` relative to the
  larger of them and 1 are equal, so that `0.1 + 0.2 == 0.3` holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

TOLERANCE = 1e-12
"""Relative difference up to which two numbers are equal in a constraint."""

Comparison = Literal["==", "!=", "<", "<=", ">", ">="]


@dataclass(frozen=True, slots=True)
class Selected:
    """True where the feature is selected."""

    feature: str


@dataclass(frozen=True, slots=True)
class ValueOf:
    """The value of a typed feature."""

    feature: str


@dataclass(frozen=True, slots=True)
class AttributeOf:
    """An attribute of a feature; `attribute` is a dotted path where attributes are nested."""

    feature: str
    attribute: str


@dataclass(frozen=True, slots=True)
class Constant:
    """A number or a text."""

    value: int | float | str


@dataclass(frozen=True, slots=True)
class Aggregate:
    """`sum` or `avg` of an attribute over the selected features below (and with) `root`.

    `root` is None for the whole model.
    """

    function: Literal["sum", "avg"]
    attribute: str
    root: str | None = None


@dataclass(frozen=True, slots=True)
class Function:
    """`len` of a text, `floor` or `ceil` of a number."""

    function: Literal["len", "floor", "ceil"]
    operand: ValueOf | AttributeOf


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`+` and `*` of two or more terms, `-` and `/` of two."""

    operator: Literal["+", "-", "*", "/"]
    operands: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Compare:
    """Two numbers compared, or two texts (`==` and `!=` alone)."""

    operator: Comparison
    left: Term
    right: Term


@dataclass(frozen=True, slots=True)
class Not:
    """Negation."""

    operand: Expression


@dataclass(frozen=True, slots=True)
class And:
    """Conjunction of two or more."""

    operands: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Disjunction of two or more."""

    operands: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Implies:
    """`left => right`."""

    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Iff:
    """`left <=> right`."""

    left: Expression
    right: Expression


Term = ValueOf | AttributeOf | Constant | Aggregate | Function | Arithmetic
"""What has a number or a text."""

Expression = Selected | AttributeOf | Compare | Not | And | Or | Implies | Iff
"""What is true or false."""

Node = Term | Expression


def children(node: Node) -> tuple[Node, ...]:
    """The direct parts of a node."""
    match node:
        case Arithmetic(_, operands) | And(operands) | Or(operands):
            return operands
        case Compare(_, left, right) | Implies(left, right) | Iff(left, right):
            return (left, right)
        case Function(_, operand) | Not(operand):
            return (operand,)
    return ()


def walk(node: Node) -> Iterator[Node]:
    """A node and everything below it."""
    stack: list[Node] = [node]
    while stack:
        top = stack.pop()
        yield top
        stack.extend(reversed(children(top)))


def rename(node: Node, names: Mapping[str, str]) -> Node:
    """The same tree with features renamed where `names` has them."""
    match node:
        case Selected(feature):
            return Selected(names.get(feature, feature))
        case ValueOf(feature):
            return ValueOf(names.get(feature, feature))
        case AttributeOf(feature, attribute):
            return AttributeOf(names.get(feature, feature), attribute)
        case Aggregate(function, attribute, root):
            return Aggregate(function, attribute, None if root is None else names.get(root, root))
        case Constant():
            return node
    return rebuilt(node, tuple(rename(child, names) for child in children(node)))


def rebuilt(node: Node, parts: tuple[Node, ...]) -> Node:
    """A node of the same kind over other parts."""
    match node:
        case Arithmetic(operator, _):
            return Arithmetic(operator, parts)  # type: ignore[arg-type]
        case Compare(operator, _, _):
            return Compare(operator, *parts)  # type: ignore[arg-type]
        case Function(function, _):
            return Function(function, *parts)  # type: ignore[arg-type]
        case And() | Or():
            return type(node)(parts)  # type: ignore[arg-type]
        case Implies() | Iff() | Not():
            return type(node)(*parts)  # type: ignore[arg-type]
    return node
