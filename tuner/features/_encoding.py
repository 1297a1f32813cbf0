"""A feature model as clauses that have exactly one solution for each class of configurations.

Every feature is a variable. The values of a typed feature that no constraint tells apart form a
class; where there are several classes, each is a variable, and exactly one of them holds where
the feature is selected. A solution therefore stands for as many configurations as its classes
have values, multiplied.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import TopologicalSorter

from tuner.features._cnf import DEFINITION, Cnf, Formula, conjunction, disjunction, negation
from tuner.features._deadline import check_deadline
from tuner.features._diagrams import FALSE, TRUE, Diagrams
from tuner.features._errors import ModelError
from tuner.features._model import Constraint, Feature, FeatureModel, Group
from tuner.features._resolve import nested
from tuner.features._vector import Compiler, Vocabulary
from tuner.features.expression import (
    And,
    AttributeOf,
    Compare,
    Expression,
    Iff,
    Implies,
    Not,
    Or,
    Selected,
    walk,
)

LARGEST_MODEL = 2_000_000
"""Values of all features together."""


@dataclass(frozen=True)
class Reason:
    """A rule that clauses come from, in the model's own words.

    Attributes:
        text: a sentence about the tree, or the constraint as written.
        constraint: where it is one.
    """

    text: str
    constraint: Constraint | None = None


@dataclass
class Encoding:
    """The clauses of a model and what its variables mean.

    Attributes:
        model: the model.
        inert: constraints on the canonical form, where only canonical configurations count.
        apart: indices of values that get classes of their own, by feature.
        cnf: the clauses.
        reasons: the rules that the clauses name.
        selected: the variable of each feature.
        classes: for each typed feature its classes, each the indices of its values.
        literals: for each typed feature the literal of each of its classes.
    """

    model: FeatureModel
    inert: Sequence[Constraint] = ()
    apart: Mapping[str, Collection[int]] = field(default_factory=dict)
    cnf: Cnf = field(default_factory=Cnf)
    reasons: list[Reason] = field(default_factory=list)
    selected: dict[str, int] = field(default_factory=dict)
    classes: dict[str, list[list[int]]] = field(default_factory=dict)
    literals: dict[str, list[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._diagrams = Diagrams(Compiler(self.model, Vocabulary()))
        self._of: dict[str, list[int]] = {}  # for each typed feature the class of each value
        self._cached: dict[int, int] = {}  # literals of nodes of diagrams
        values = 0
        for name, feature in self.model.features.items():
            check_deadline()
            self.selected[name] = self.cnf.variable()
            values += len(feature.domain)
            if values > LARGEST_MODEL:
                raise ModelError(
                    f"the features of the model have more than {LARGEST_MODEL} values in all: take"
                    " larger steps"
                )
        constraints = [*self.model.all_constraints, *self.inert]
        roots: dict[Compare, int] = {}
        for constraint in constraints:
            check_deadline()
            for node in walk(constraint.expression):
                if isinstance(node, Compare):
                    roots[node] = self._diagrams.comparison(node, constraint.text)
        self._divide()
        self._tree()
        for constraint in constraints:
            check_deadline()
            rule = self._reason(Reason(constraint.text, constraint))
            self.cnf.require(self._formula(constraint.expression, roots), rule)

    def literal(self, name: str, index: int) -> int:
        """The literal under which a feature has the value of this index in its domain."""
        if not self.model.features[name].typed:
            return self.selected[name]
        return self.literals[name][self._of[name][index]]

    def _reason(self, reason: Reason) -> int:
        self.reasons.append(reason)
        return len(self.reasons) - 1

    # --- domains ----------------------------------------------------------------------------

    def _divide(self) -> None:
        """Find the classes of each domain: values with the same branches in every diagram."""
        signatures: dict[str, list[list[int]]] = {}
        for name, children in self._diagrams.nodes[2:]:
            if self.model.features[name].typed:
                columns = signatures.setdefault(name, [[] for _ in children[:-1]])
                for column, child in zip(columns, children[:-1], strict=True):
                    column.append(child)
        for name, feature in self.model.features.items():
            if not feature.typed:
                continue
            check_deadline()
            alone = self.apart.get(name, ())
            columns = signatures.get(name, [[]] * len(feature.domain))
            keys = [(i if i in alone else -1, *column) for i, column in enumerate(columns)]
            index = {key: i for i, key in enumerate(dict.fromkeys(keys))}
            self._of[name] = [index[key] for key in keys]
            self.classes[name] = [[] for _ in index]
            for value, which in enumerate(self._of[name]):
                self.classes[name][which].append(value)
            self._one_class(name)

    def _one_class(self, name: str) -> None:
        whole = self.selected[name]
        if len(self.classes[name]) == 1:
            self.literals[name] = [whole]
            return
        parts = self.literals[name] = [self.cnf.variable() for _ in self.classes[name]]
        self.cnf.add((-whole, *parts))
        for part in parts:
            self.cnf.add((-part, whole))
        self.cnf.at_most_one.append((tuple(parts), DEFINITION))

    # --- the tree ---------------------------------------------------------------------------

    def _tree(self) -> None:
        root = self.model.root.name
        self.cnf.add((self.selected[root],), self._reason(Reason(f"{root} is the root")))
        for parent in self.model.features.values():
            for group in parent.groups:
                self._group(parent, group)

    def _group(self, parent: Feature, group: Group) -> None:
        names = [child.name for child in group.features]
        above, below = self.selected[parent.name], [self.selected[name] for name in names]
        for name, variable in zip(names, below, strict=True):
            rule = self._reason(Reason(f"{name} needs its parent {parent.name}"))
            self.cnf.add((-variable, above), rule)
        lower, upper, n = group.lower, group.upper, len(names)
        if lower == 0 and upper >= n:
            return
        rule = self._reason(Reason(group.text(parent.name)))
        if lower > n:
            self.cnf.add((-above,), rule)
        elif lower == n:
            for variable in below:
                self.cnf.add((-above, variable), rule)
        elif upper == 1 or (lower == 1 and upper >= n):
            if lower == 1:
                self.cnf.add((-above, *below), rule)
            if upper == 1:
                self.cnf.at_most_one.append((tuple(below), rule))
        else:
            root = self._diagrams.counting(names, lower, upper)
            self.cnf.require(disjunction([-above, self._diagram(root, positive=True)]), rule)

    # --- constraints ------------------------------------------------------------------------

    def _formula(self, expression: Expression, roots: dict[Compare, int]) -> Formula:
        match expression:
            case Selected(feature):
                return self.selected[feature]
            case AttributeOf(feature, path):
                value = nested(self.model.features[feature].attributes, tuple(path.split(".")))
                return self.selected[feature] if value is True else False
            case Compare():
                return self._diagram(roots[expression], positive=True)
            case Not(Compare() as inner):
                return self._diagram(roots[inner], positive=False)
            case Not(operand):
                return negation(self._formula(operand, roots))
            case And() | Or() | Implies() | Iff():
                return self._connective(expression, roots)

    def _connective(
        self, expression: And | Or | Implies | Iff, roots: dict[Compare, int]
    ) -> Formula:
        match expression:
            case And(operands):
                return conjunction([self._formula(operand, roots) for operand in operands])
            case Or(operands):
                return disjunction([self._formula(operand, roots) for operand in operands])
            case Implies(left, right):
                return disjunction([self._formula(Not(left), roots), self._formula(right, roots)])
            case Iff(left, right):
                a, b = (self.cnf.literal(self._formula(side, roots)) for side in (left, right))
                return conjunction([disjunction([negation(a), b]), disjunction([a, negation(b)])])

    def _diagram(self, node: int, *, positive: bool) -> Formula:
        """A diagram, or its opposite, as a formula."""
        if node in (FALSE, TRUE):
            return (node == TRUE) == positive
        branches = self._merged(node)
        inner = [child for _, child in branches if child not in (FALSE, TRUE)]
        if not inner:
            wanted = TRUE if positive else FALSE
            yes = [literal for literal, child in branches if child == wanted]
            no = [literal for literal, child in branches if child != wanted]
            if len(yes) <= len(no):
                return disjunction(yes)
            return conjunction([-literal for literal in no])
        if all(self._shallow(child) for child in inner):
            return conjunction(
                [
                    disjunction([-literal, self._diagram(child, positive=positive)])
                    for literal, child in branches
                ]
            )
        if node not in self._cached:
            self._cached[node] = self._reached(node)
        return self._cached[node] if positive else -self._cached[node]

    def _shallow(self, node: int) -> bool:
        return all(child in (FALSE, TRUE) for child in self._diagrams.nodes[node][1])

    def _reached(self, root: int) -> int:
        """A literal that is equivalent to a diagram of many levels.

        At each level exactly one node is reached: what is reached leads on to the next level, and
        no other node may be. Choices from the top down then leave nothing open about what they
        have passed.
        """
        levels = self._levels(root)
        above = {root: 0}  # the nodes that may be reached, and their variables; 0: it is
        for feature in levels:
            check_deadline()
            edges: dict[int, list[tuple[int, ...]]] = {}
            for node, variable in above.items():
                came = (-variable,) if variable else ()
                if self._diagrams.nodes[node][0] != feature:
                    edges.setdefault(node, []).append(came)
                    continue
                for branch, child in self._merged(node):
                    edges.setdefault(child, []).append((*came, -branch))
            below = {node: self.cnf.variable() for node in edges}
            for node, ways in edges.items():
                for way in ways:
                    self.cnf.add((*way, below[node]))
            self.cnf.at_most_one.append((tuple(below.values()), DEFINITION))
            above = below
        return above[TRUE]

    def _levels(self, root: int) -> list[str]:
        """The features of a diagram, in the order in which it branches on them."""
        order: TopologicalSorter[str] = TopologicalSorter()
        reached, stack = {root}, [root]
        while stack:
            name, children = self._diagrams.nodes[stack.pop()]
            order.add(name)
            for child in children:
                if child in (FALSE, TRUE):
                    continue
                order.add(self._diagrams.nodes[child][0], name)
                if child not in reached:
                    reached.add(child)
                    stack.append(child)
        return list(order.static_order())

    def _merged(self, node: int) -> list[tuple[int, int]]:
        """The branches of a node as pairs of a literal and a child, exactly one of which holds."""
        name, children = self._diagrams.nodes[node]
        if not self.model.features[name].typed:
            return [(self.selected[name], children[0]), (-self.selected[name], children[1])]
        found = [
            (literal, children[members[0]])
            for literal, members in zip(self.literals[name], self.classes[name], strict=True)
        ]
        return [*found, (-self.selected[name], children[-1])]

    # --- what a solution stands for ---------------------------------------------------------

    def weights(self) -> Iterator[tuple[int, int]]:
        """Literals of classes with several values, and how many they have."""
        for name, classes in self.classes.items():
            for literal, members in zip(self.literals[name], classes, strict=True):
                if len(members) > 1:
                    yield literal, len(members)
