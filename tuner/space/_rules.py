"""Everything that makes a configuration valid and canonical, as tables over decisions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tuner.errors import UserError
from tuner.features import Constraint, Feature, FeatureModel
from tuner.features import expression as ast
from tuner.space._elimination import Factor, Network, Table, TooEntangled
from tuner.space._layout import Condition, Decision, Layout, Where, below, reduced
from tuner.space._tables import Grid, tabulate
from tuner.space.configuration import Value
from tuner.space.pins import Pins


@dataclass(frozen=True)
class Rule:
    """A table, and the words for it where it can be blamed for a contradiction.

    `text` is empty for what the tree itself says; `canonical` tells the rules of canonical form
    from those of validity.
    """

    factor: Factor
    text: str = ""
    canonical: bool = False


@dataclass(frozen=True)
class Inert:
    """While `cells` holds, each of `targets` amounts to the code beside it.

    `scope` are the axes of `cells`; `text` says what is inert and when.
    """

    text: str
    scope: tuple[int, ...]
    cells: Table
    targets: tuple[tuple[int, int], ...]


def rules_of(model: FeatureModel, layout: Layout, pins: Pins) -> tuple[list[Rule], list[Inert]]:
    """The rules of a model under pins, and what brings its configurations into canonical form."""
    try:
        rules = [*_activity(layout), *_groups(layout)]
        rules += [
            Rule(tabulate(c.expression, layout, model), words(c)) for c in model.all_constraints
        ]
        rules += [
            Rule(tabulate(_pinned(model, name, value), layout, model), f"{name}={show(value)}")
            for name, value in pins.given.items()
        ]
        rules += [
            Rule(
                tabulate(_fixed(model, name, value), layout, model), f"{name}={show(value)} (fixed)"
            )
            for name, value in pins.fixed.items()
        ]
        inert = [found for f in model.features.values() for found in _inert(f, layout, model)]
    except TooEntangled:
        raise UserError(
            f"{model.source} has a constraint over more features than a search space can take in"
        ) from None
    rules += [rule for item in inert for rule in _canonical(item, layout)]
    return rules, inert


def settled(
    model: FeatureModel, layout: Layout, pins: Pins
) -> tuple[Layout, list[Rule], list[Inert]]:
    """The layout without what can't be chosen under the rules, and the rules over the rest.

    First by the rules of validity: what is inert amounts to the default that they leave. Then by
    those of canonical form.

    Raises:
        UserError: where nothing is valid; it names a smallest contradiction.
    """
    for canonical in (False, True):
        rules, _ = rules_of(model, layout, pins)
        rules = [rule for rule in rules if canonical or not rule.canonical]
        network = network_of(layout, rules)
        if not network.satisfiable:
            listed = "".join(f"\n  - {text}" for text in conflict(layout, rules))
            raise UserError(
                f"no configuration of {model.root.name} is valid: "
                f"together these can't hold:{listed}"
            )
        layout = reduced(layout, network.support)
    return layout, *rules_of(model, layout, pins)


def network_of(layout: Layout, rules: Sequence[Rule]) -> Network:
    """The rules joined; `UserError` where that takes too much memory.

    Decisions that others depend on are drawn first, unless that order entangles too much.
    """
    lengths = [decision.length for decision in layout.decisions]
    factors = [rule.factor for rule in rules if not rule.factor.table.all()]
    for ranks in (_heights(layout.decisions), [0] * len(lengths)):
        try:
            return Network(lengths, factors, ranks)
        except TooEntangled:
            continue
    raise UserError(
        "the constraints of this model tie too many features together for a search space: "
        "pin some of them (`--set feature=value`)"
    )


def conflict(layout: Layout, rules: Sequence[Rule]) -> list[str]:
    """A smallest set of rules that can't hold together: none of them could be left out."""
    tree = [rule for rule in rules if not rule.text]
    blamed = [rule for rule in rules if rule.text]
    for rule in tuple(blamed):
        rest = [other for other in blamed if other is not rule]
        if not network_of(layout, [*tree, *rest]).satisfiable:
            blamed = rest
    return [rule.text for rule in blamed]


def words(constraint: Constraint) -> str:
    """A constraint as its author explained it, else as it is written."""
    comment = " ".join(constraint.comment.split())
    return f"{constraint.text} ({comment})" if comment else constraint.text


def show(value: Value) -> str:
    """A value as it is written in `--set`."""
    return str(value).lower() if isinstance(value, bool) else f"{value}"


def _pinned(model: FeatureModel, name: str, value: Value) -> ast.Expression:
    """The constraint that a pin stands for: the feature is selected, and has this value."""
    feature = model.features[name]
    if isinstance(value, bool):
        return ast.Selected(name) if value else ast.Not(ast.Selected(name))
    if not feature.typed:
        return ast.Selected(str(value))
    return ast.Compare("==", ast.ValueOf(name), ast.Constant(value))


def _fixed(model: FeatureModel, name: str, value: Value) -> ast.Expression:
    """What the model fixes: it holds wherever the feature is, or could be, selected."""
    where = model.places[name][0].name if value is True else name
    return ast.Implies(ast.Selected(where), _pinned(model, name, value))


def _activity(layout: Layout) -> Iterator[Rule]:
    """A decision is inactive exactly while its condition does not hold."""
    for i, decision in enumerate(layout.decisions):
        if isinstance(decision.active, bool):
            continue
        above = layout.decisions[decision.active.decision]
        table = np.zeros((decision.length, above.length), dtype=bool)
        table[-1, :] = True
        for code in decision.active.codes:
            table[:-1, code], table[-1, code] = True, False
        yield Rule(Factor((i, decision.active.decision), table))


def _groups(layout: Layout) -> Iterator[Rule]:
    """A selected parent of an or / cardinality group has that many selected children."""
    for parent, group in layout.groups:
        conditions = [layout.selected[child.name] for child in group.features]
        scope = tuple(sorted(_decisions([layout.selected[parent], *conditions])))
        grid = Grid(layout, scope)
        count = sum((grid.holds(c).astype(np.int32) for c in conditions), np.array(0))
        table = ~grid.holds(layout.selected[parent]) | (
            (count >= group.lower) & (count <= group.upper)
        )
        yield Rule(Factor(scope, np.array(np.broadcast_to(table, grid.shape))))


def _decisions(conditions: Sequence[Condition]) -> set[int]:
    return {c.decision for c in conditions if isinstance(c, Where)}


def _inert(feature: Feature, layout: Layout, model: FeatureModel) -> Iterator[Inert]:
    if feature.inert is None:
        return
    text = f"{feature.name} changes nothing while {feature.inert.text}"
    both = ast.And((feature.inert.expression, ast.Selected(feature.name)))
    factor = tabulate(both, layout, model)
    switched = _switched(feature, layout, model)
    if switched is None:
        targets = [(i, layout.decisions[i].default) for i in below(layout, feature.name, model)]
        yield Inert(text, factor.scope, factor.table, tuple(targets))
    else:
        yield Inert(text, factor.scope, factor.table, (switched,))


def _switched(feature: Feature, layout: Layout, model: FeatureModel) -> tuple[int, int] | None:
    """The decision that can deselect a feature and the code that does; None where none can.

    The default child of an alternative is what the others amount to, so it stays.
    """
    own = layout.selected[feature.name]
    if not isinstance(own, Where):
        return None
    group, decision = model.places[feature.name][1], layout.decisions[own.decision]
    if decision.kind == "switch" and decision.feature.name == feature.name:
        return (own.decision, 0) if group.lower < group.upper else None
    if group.kind == "alternative" and any(decision.values[c] == feature.name for c in own.codes):
        return None if decision.default in own.codes else (own.decision, decision.default)
    return None


def _canonical(inert: Inert, layout: Layout) -> Iterator[Rule]:
    """What is inert is as it amounts to, or inactive."""
    for i, code in inert.targets:
        scope = tuple(sorted({*inert.scope, i}))
        axes = np.ix_(*(np.arange(layout.decisions[k].length) for k in scope))
        at = dict(zip(scope, axes, strict=True))
        cells = inert.cells[tuple(at[k] for k in inert.scope)]
        amounts = (at[i] == code) | (at[i] >= len(layout.decisions[i].values))
        table = np.broadcast_to(~cells | amounts, [axis.size for axis in axes])
        yield Rule(Factor(scope, np.array(table)), inert.text, canonical=True)


def _heights(decisions: Sequence[Decision]) -> list[int]:
    """How many levels of decisions depend on each; high ones are drawn first."""
    heights = [0] * len(decisions)
    for i in reversed(range(len(decisions))):
        active = decisions[i].active
        if isinstance(active, Where):
            heights[active.decision] = max(heights[active.decision], heights[i] + 1)
    return heights
