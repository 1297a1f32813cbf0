"""Decisions as the parameters that a search sees."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tuner.features import ActiveWhen, Decision, DecisionLayout, FeatureModel
from tuner.space._arguments import role
from tuner.space._layout import ordered, positions
from tuner.space.configuration import Value
from tuner.space.contract import ExpectedEffect, Parameter
from tuner.space.expectations import Expectation


def parameter(
    layout: DecisionLayout,
    index: int,
    model: FeatureModel,
    known: Mapping[str, tuple[Expectation, ...]],
) -> Parameter:
    """One decision as a parameter, with what is expected of features (by their names)."""
    decision = layout.decisions[index]
    feature = decision.feature
    unit = feature.attributes.get("unit")
    argument = feature.attributes.get("arg", feature.name if feature.typed else "")
    is_ordered = ordered(decision)
    return Parameter(
        name=decision.name,
        kind="ordered" if is_ordered else "categorical",
        values=decision.values,
        positions=positions(decision) if is_ordered else (),
        default=decision.values[decision.default],
        parent=_parent(layout, index),
        affects=_affects(decision, model),
        restart=role(feature, model) == "load",
        argument=str(argument),
        unit=str(unit) if unit is not None else None,
        expected=tuple(_expected(layout, index, known)),
    )


def _affects(decision: Decision, model: FeatureModel) -> frozenset[str] | None:
    """What a decision can affect: its feature and, of a choice, each of those it chooses from."""
    chosen = [str(value) for value in decision.values] if decision.kind == "choice" else []
    found: set[str] = set()
    for name in chosen or [decision.feature.name]:
        affects = model.inherited(name, "affects")
        if affects is None:
            return None
        found |= set(str(affects).split())
    return frozenset(found)


def _expected(
    layout: DecisionLayout, index: int, known: Mapping[str, tuple[Expectation, ...]]
) -> Iterator[ExpectedEffect]:
    """What is expected of the features that one decision selects or gives their values."""
    decision = layout.decisions[index]
    codes = range(len(decision.values))
    for name, entries in known.items():
        selected = layout.selected[name]
        for entry in entries:
            if entry.of == "number" or entry.value is not None:
                if layout.values.get(name) != index:
                    continue
                default = decision.values[decision.default]
                effects = tuple(entry.at(value, default) for value in decision.values)
            elif isinstance(selected, ActiveWhen) and selected.decision == index:
                effects = tuple(entry.effect if code in selected.codes else 0.0 for code in codes)
            else:
                continue
            if any(effects):
                yield ExpectedEffect(entry.kind, effects)


def _parent(layout: DecisionLayout, index: int) -> tuple[str, frozenset[Value]] | None:
    active = layout.decisions[index].active
    if not isinstance(active, ActiveWhen):
        return None
    above = layout.decisions[active.decision]
    return above.name, frozenset(above.values[code] for code in active.codes)
