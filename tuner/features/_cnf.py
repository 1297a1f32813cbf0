"""Clauses from formulas, without losing count.

A formula is True, False, a literal (a whole number, negative where negated), or a pair of "and" /
"or" and a tuple of formulas. Where spelling a formula out would take too many clauses, a part of
it gets a variable of its own that is equivalent to it. Such a variable is determined by the
others, so the clauses have exactly as many solutions as the formula.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

Formula = bool | int | tuple[str, tuple["Formula", ...]]
Clause = tuple[int, ...]

SPELLED_OUT = 16
"""Clauses up to which a disjunction of conjunctions is multiplied out."""

DEFINITION = -1
"""The rule of clauses that hold by definition."""


def conjunction(parts: Sequence[Formula]) -> Formula:
    """All of these formulas."""
    return _joined("and", parts)


def disjunction(parts: Sequence[Formula]) -> Formula:
    """At least one of these formulas."""
    return _joined("or", parts)


def _joined(kind: str, parts: Sequence[Formula]) -> Formula:
    neutral, out = kind == "and", dict[Formula, None]()
    for part in parts:
        if isinstance(part, bool):
            if part != neutral:
                return part
        elif isinstance(part, tuple) and part[0] == kind:
            out.update(dict.fromkeys(part[1]))
        else:
            out[part] = None
    if any(isinstance(part, int) and -part in out for part in out):
        return not neutral
    if len(out) < 2:
        return next(iter(out), neutral)
    return (kind, tuple(out))


def negation(formula: Formula) -> Formula:
    """The opposite of a formula."""
    if isinstance(formula, bool):
        return not formula
    if isinstance(formula, int):
        return -formula
    kind, parts = formula
    return ("or" if kind == "and" else "and", tuple(negation(part) for part in parts))


@dataclass
class Cnf:
    """Clauses and at-most-one groups over variables 1 to `variables`.

    Attributes:
        variables: how many there are.
        clauses: disjunctions of literals.
        rules: for each clause the rule that it belongs to, or `DEFINITION`.
        at_most_one: groups of variables of which one can be true, and the rule of each.
    """

    variables: int = 0
    clauses: list[Clause] = field(default_factory=list)
    rules: list[int] = field(default_factory=list)
    at_most_one: list[tuple[Clause, int]] = field(default_factory=list)
    _defined: dict[frozenset[int], int] = field(default_factory=dict)

    def variable(self) -> int:
        """A new variable."""
        self.variables += 1
        return self.variables

    def add(self, clause: Sequence[int], rule: int = DEFINITION) -> None:
        """One clause."""
        self.clauses.append(tuple(clause))
        self.rules.append(rule)

    def require(self, formula: Formula, rule: int) -> None:
        """Make a formula hold."""
        for clause in self.spelled(formula):
            self.add(clause, rule)

    def spelled(self, formula: Formula) -> list[Clause]:
        """The clauses of a formula."""
        if isinstance(formula, bool):
            return [] if formula else [()]
        if isinstance(formula, int):
            return [(formula,)]
        kind, parts = formula
        if kind == "and":
            return [clause for part in parts for clause in self.spelled(part)]
        plain = tuple(part for part in parts if isinstance(part, int))
        sets = [self.spelled(part) for part in parts if not isinstance(part, int)]
        size = 1
        for clauses in sets:
            size *= len(clauses)
        if size > max([SPELLED_OUT, *map(len, sets)]):
            sets = self._shortened(sets)
        product: list[Clause] = [plain]
        for clauses in sets:
            product = [a + b for a in product for b in clauses]
        return [clause for clause in map(_tidy, product) if clause is not None]

    def _shortened(self, sets: list[list[Clause]]) -> list[list[Clause]]:
        """Sets of clauses with all but the longest replaced by one literal each."""
        longest = max(range(len(sets)), key=lambda i: len(sets[i]))
        return [
            clauses if i == longest or len(clauses) == 1 else [(self._all(clauses),)]
            for i, clauses in enumerate(sets)
        ]

    def _all(self, clauses: list[Clause]) -> int:
        return self.both([-self.both([-literal for literal in clause]) for clause in clauses])

    def literal(self, formula: Formula) -> int | bool:
        """A literal that is equivalent to a formula."""
        if isinstance(formula, int):
            return formula
        kind, parts = formula
        sign = 1 if kind == "and" else -1
        literals = [self.literal(part) for part in parts]
        return sign * self.both([sign * literal for literal in literals])

    def both(self, literals: Sequence[int]) -> int:
        """A literal that is equivalent to all of these literals together."""
        key = frozenset(literals)
        if len(key) == 1:
            return next(iter(key))
        if key not in self._defined:
            gate = self._defined[key] = self.variable()
            for literal in key:
                self.add((-gate, literal))
            self.add((gate, *(-literal for literal in key)))
        return self._defined[key]


def _tidy(clause: Clause) -> Clause | None:
    """A clause without repetitions; None where it always holds."""
    literals = dict.fromkeys(clause)
    if any(-literal in literals for literal in literals):
        return None
    return tuple(literals)
