"""Constraints as Boolean tables over the decisions that they talk about.

A constraint is evaluated once, over all combinations of the states of its decisions, by the same
functions that check configurations in `tuner.features`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tuner.features import (
    ActiveWhen,
    Columns,
    Compiler,
    Condition,
    DecisionLayout,
    FeatureModel,
    Vocabulary,
    check_deadline,
)
from tuner.features import expression as ast
from tuner.space._elimination import LARGEST_TABLE, BoolTable, Factor, TreewidthExceeded


def tabulate(expression: ast.Expression, layout: DecisionLayout, model: FeatureModel) -> Factor:
    """The table of a constraint; `TreewidthExceeded` where it would not fit in memory."""
    check_deadline("make a search space of it")
    compiler = Compiler(model, Vocabulary())
    names = _names(expression, compiler)
    scope = {c.decision for n in names if isinstance(c := layout.selected[n], ActiveWhen)}
    scope |= {where for n in names if isinstance(where := layout.values.get(n), int)}
    grid = StateGrid(layout, sorted(scope))
    columns = Columns(
        {name: grid.holds(layout.selected[name]) for name in names},
        {
            name: grid.value(name, compiler.vocabulary)
            for name in names
            if model.features[name].typed
        },
    )
    table = np.broadcast_to(compiler.condition(expression)(columns), grid.shape)
    return Factor(grid.scope, np.array(table))


def _names(expression: ast.Expression, compiler: Compiler) -> set[str]:
    """The features that an expression asks about."""
    found: set[str] = set()
    for node in ast.walk(expression):
        match node:
            case ast.Selected(name) | ast.ValueOf(name) | ast.AttributeOf(name, _):
                found.add(name)
            case ast.Aggregate():
                found.update(compiler.members(node))
    return found


class StateGrid:
    """All combinations of the states of some decisions, one axis each."""

    def __init__(self, layout: DecisionLayout, scope: Sequence[int]) -> None:
        self.layout, self.scope = layout, tuple(scope)
        self.shape = tuple(layout.decisions[i].length for i in scope)
        if math.prod(self.shape) > LARGEST_TABLE:
            raise TreewidthExceeded
        self.codes = dict(zip(scope, np.ix_(*(np.arange(n) for n in self.shape)), strict=True))

    def holds(self, condition: Condition) -> BoolTable:
        """Where a condition is true."""
        if isinstance(condition, bool):
            return np.asarray(condition)
        return np.isin(self.codes[condition.decision], list(condition.codes))

    def value(self, name: str, vocabulary: Vocabulary) -> np.typing.NDArray[np.float64]:
        """The value of a typed feature, NaN where it has none."""
        where = self.layout.values.get(name)
        if where is None:
            return np.asarray(np.nan)
        if isinstance(where, tuple):
            selected = self.holds(self.layout.selected[name])
            return np.where(selected, vocabulary.code(where[0]), np.nan)
        decision = self.layout.decisions[where]
        states = [*(vocabulary.code(value) for value in decision.values), np.nan]
        return np.array(states)[self.codes[where]]
