"""Whether configurations are valid, and if not, why: the rules of the tree and the constraints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, reduce

import numpy as np

from tuner.features._model import Constraint, FeatureModel, Group
from tuner.features._rows import ColumnLayout, Rows
from tuner.features._solver import canonical_rules
from tuner.features._values import Value
from tuner.features._vector import Bools, Columns, Compiler, Condition


@dataclass(frozen=True)
class Rule:
    """One rule in the model's own words, and the function that checks it on columns.

    Attributes:
        text: a sentence, or the constraint as written.
        condition: true for each configuration that keeps the rule (one answer for all of them
            where the rule asks about no feature).
        constraint: where the rule is one.
        canonical: whether the rule is about the canonical form alone.
    """

    text: str
    condition: Condition
    constraint: Constraint | None = None
    canonical: bool = False


class Rules:
    """Every rule of a model, compiled once."""

    def __init__(self, model: FeatureModel) -> None:
        self.model = model
        self.layout = ColumnLayout(model)
        self.compiler = Compiler(model, self.layout.vocabulary)

    @cached_property
    def tree(self) -> tuple[Rule, ...]:
        """The rules of the feature tree."""
        root = self.model.root.name
        found = [Rule(f"{root} is the root and is selected", lambda c: c.selected[root])]
        for parent in self.model.features.values():
            for group in parent.groups:
                found.extend(_group_rules(parent.name, group))
        return tuple(found)

    @cached_property
    def constraints(self) -> tuple[Rule, ...]:
        """The constraints of the model."""
        return tuple(
            Rule(c.text, self.compiler.condition(c.expression), c)
            for c in self.model.all_constraints
        )

    @cached_property
    def canonical(self) -> tuple[Rule, ...]:
        """What makes a valid configuration the canonical one of those that mean the same."""
        return tuple(
            Rule(c.text, self.compiler.condition(c.expression), c, canonical=True)
            for c in canonical_rules(self.model)
        )

    def check(self, columns: Columns, *, canonical: bool = True) -> Bools:
        """Whether each configuration is valid (and canonical, unless that is waived)."""
        rules = self.tree + self.constraints + (self.canonical if canonical else ())
        return reduce(np.logical_and, (rule.condition(columns) for rule in rules))

    def valid(self, rows: Rows, *, canonical: bool = True) -> Bools:
        """Whether each row is a valid (and canonical) configuration."""
        return self.check(self.layout.columns(rows), canonical=canonical)

    def violated(
        self, configuration: Mapping[str, Value | None], *, canonical: bool = False
    ) -> tuple[Rule, ...]:
        """The rules that a configuration breaks; none where it is valid.

        Features that `configuration` leaves out are not selected.
        """
        columns = self.layout.columns(self.layout.rows([configuration]))
        rules = self.tree + self.constraints + (self.canonical if canonical else ())
        return tuple(rule for rule in rules if not np.all(rule.condition(columns)))


def evaluate(model: FeatureModel, configuration: Mapping[str, Value | None]) -> bool:
    """Whether a full configuration is valid: selected features to True or to their values."""
    return not Rules(model).violated(configuration)


def _group_rules(parent: str, group: Group) -> list[Rule]:
    names = [child.name for child in group.features]

    def only_below(name: str) -> Rule:
        return Rule(
            f"{name} needs its parent {parent}",
            lambda c: ~c.selected[name] | c.selected[parent],
        )

    found = [only_below(name) for name in names]
    if group.lower == 0 and group.upper >= len(names):
        return found

    def bounded(c: Columns) -> Bools:
        number = reduce(np.add, (c.selected[name].astype(np.int32) for name in names))
        return ~c.selected[parent] | ((number >= group.lower) & (number <= group.upper))

    return [*found, Rule(group.text(parent), bounded)]
