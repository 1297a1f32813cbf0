"""Everything that makes a configuration valid and canonical, as tables over decisions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tuner.errors import UserError
from tuner.features import (
    ActiveWhen,
    Condition,
    Constraint,
    Decision,
    DecisionLayout,
    Feature,
    FeatureModel,
    Solver,
    Value,
    amounts_to_nothing,
    explain,
    heights,
    layout_of,
)
from tuner.features import expression as ast
from tuner.space._elimination import BoolTable, Factor, Network, TreewidthExceeded
from tuner.space._layout import below, reduced
from tuner.space._tabulate import StateGrid, tabulate
from tuner.space.pins import pin_text


@dataclass(frozen=True)
class ConstraintTable:
    """A rule as a table; `canonical` tells the rules of canonical form from those of validity."""

    factor: Factor
    canonical: bool = False


@dataclass(frozen=True)
class Inert:
    """While `cells` holds, each of `targets` amounts to the code beside it.

    `scope` are the axes of `cells`.
    """

    scope: tuple[int, ...]
    cells: BoolTable
    targets: tuple[tuple[int, int], ...]


def constraint_tables(
    model: FeatureModel, layout: DecisionLayout
) -> tuple[list[ConstraintTable], list[Inert]]:
    """The rules of a model, and what brings its configurations into canonical form."""
    try:
        rules = [*_activity(layout), *_groups(layout)]
        rules += [
            ConstraintTable(tabulate(c.expression, layout, model)) for c in model.all_constraints
        ]
        inert = [found for f in model.features.values() for found in _inert(f, layout, model)]
    except TreewidthExceeded:
        raise UserError(
            f"{model.source} has a constraint over more features than a search space can take in"
        ) from None
    rules += [rule for item in inert for rule in _canonical(item, layout)]
    return rules, inert


def simplified(
    model: FeatureModel,
) -> tuple[DecisionLayout, list[ConstraintTable], list[Inert]]:
    """The decisions that can be made under the rules, and the rules over them.

    First by the rules of validity: what is inert amounts to the default that they leave. Then by
    those of canonical form.

    Raises:
        UserError: where nothing is valid; it names a smallest contradiction.
    """
    layout = layout_of(model)
    for canonical in (False, True):
        rules, _ = constraint_tables(model, layout)
        network = network_of(layout, [r for r in rules if canonical or not r.canonical])
        if not network.satisfiable:
            raise UserError(
                f"no configuration of {model.root.name} is valid: {contradiction(model)}"
            )
        layout = reduced(layout, network.support)
    return layout, *constraint_tables(model, layout)


def contradiction(model: FeatureModel) -> str:
    """Why a model has no valid configuration, one constraint (or pin) a line."""
    causes = explain(Solver(model))
    named = [c.text if c.constraint is None else described(c.constraint) for c in causes]
    rules = [text for text, c in zip(named, causes, strict=True) if c.kind != "tree"]
    listed = "".join(f"\n  - {text}" for text in rules or named)
    return f"together these can't hold:{listed}"


def network_of(layout: DecisionLayout, rules: Sequence[ConstraintTable]) -> Network:
    """The rules joined; `UserError` where that takes too much memory.

    Decisions that others depend on are drawn first, unless that order entangles too much.
    """
    lengths = [decision.length for decision in layout.decisions]
    factors = [rule.factor for rule in rules if not rule.factor.table.all()]
    for ranks in (heights(layout.decisions), [0] * len(lengths)):
        try:
            return Network(lengths, factors, ranks)
        except TreewidthExceeded:
            continue
    raise UserError(
        "the constraints of this model tie too many features together for a search space: "
        "pin some of them (`--set feature=value`)"
    )


def decided(model: FeatureModel, decision: Decision, value: Value) -> Constraint:
    """The constraint that a decision is made and has this value."""
    name = decision.feature.name
    if decision.kind == "choice":
        condition: ast.Expression = ast.Selected(str(value))
    elif decision.kind == "value":
        condition = ast.Compare("==", ast.ValueOf(name), ast.Constant(value))
    elif value:
        condition = ast.Selected(name)
    else:
        parent = model.parent_groups[name][0].name
        condition = ast.And((ast.Selected(parent), ast.Not(ast.Selected(name))))
    return Constraint(condition, pin_text(decision.name, value))


def described(constraint: Constraint) -> str:
    """A constraint as its author explained it, else as it is written."""
    comment = " ".join(constraint.comment.split())
    return f"{constraint.text} ({comment})" if comment else constraint.text


def _activity(layout: DecisionLayout) -> Iterator[ConstraintTable]:
    """A decision is inactive exactly while its condition does not hold."""
    for i, decision in enumerate(layout.decisions):
        if isinstance(decision.active, bool):
            continue
        above = layout.decisions[decision.active.decision]
        table = np.zeros((decision.length, above.length), dtype=bool)
        table[-1, :] = True
        for code in decision.active.codes:
            table[:-1, code], table[-1, code] = True, False
        yield ConstraintTable(Factor((i, decision.active.decision), table))


def _groups(layout: DecisionLayout) -> Iterator[ConstraintTable]:
    """A selected parent of an or / cardinality group has that many selected children."""
    for parent, group in layout.groups:
        conditions = [layout.selected[child.name] for child in group.features]
        scope = tuple(sorted(_decisions([layout.selected[parent], *conditions])))
        grid = StateGrid(layout, scope)
        count = sum((grid.holds(c).astype(np.int32) for c in conditions), np.array(0))
        table = ~grid.holds(layout.selected[parent]) | (
            (count >= group.lower) & (count <= group.upper)
        )
        yield ConstraintTable(Factor(scope, np.array(np.broadcast_to(table, grid.shape))))


def _decisions(conditions: Sequence[Condition]) -> set[int]:
    return {c.decision for c in conditions if isinstance(c, ActiveWhen)}


def _inert(feature: Feature, layout: DecisionLayout, model: FeatureModel) -> Iterator[Inert]:
    if feature.inert is None:
        return
    both = ast.And((feature.inert.expression, ast.Selected(feature.name)))
    factor = tabulate(both, layout, model)
    switched = _switched(feature, layout, model)
    if switched is None:
        targets = [(i, layout.decisions[i].default) for i in below(layout, feature.name, model)]
        yield Inert(factor.scope, factor.table, tuple(targets))
    else:
        yield Inert(factor.scope, factor.table, (switched,))


def _switched(
    feature: Feature, layout: DecisionLayout, model: FeatureModel
) -> tuple[int, int] | None:
    """The decision that can deselect a feature and the code that does; None where none can.

    The default child of an alternative is what the others amount to, so it stays.
    """
    own = layout.selected[feature.name]
    if not isinstance(own, ActiveWhen):
        return None
    (parent, group), decision = model.parent_groups[feature.name], layout.decisions[own.decision]
    if decision.kind == "switch" and decision.feature.name == feature.name:
        return (own.decision, 0) if amounts_to_nothing(parent, group, feature) else None
    if group.kind == "alternative" and any(decision.values[c] == feature.name for c in own.codes):
        return None if decision.default in own.codes else (own.decision, decision.default)
    return None


def _canonical(inert: Inert, layout: DecisionLayout) -> Iterator[ConstraintTable]:
    """What is inert is as it amounts to, or inactive."""
    for i, code in inert.targets:
        scope = tuple(sorted({*inert.scope, i}))
        axes = np.ix_(*(np.arange(layout.decisions[k].length) for k in scope))
        at = dict(zip(scope, axes, strict=True))
        cells = inert.cells[tuple(at[k] for k in inert.scope)]
        amounts = (at[i] == code) | (at[i] >= len(layout.decisions[i].values))
        table = np.broadcast_to(~cells | amounts, [axis.size for axis in axes])
        yield ConstraintTable(Factor(scope, np.array(table)), canonical=True)
