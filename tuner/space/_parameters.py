"""Decisions as the parameters that a search sees."""

from __future__ import annotations

from tuner.features import ActiveWhen, DecisionLayout, FeatureModel
from tuner.space._arguments import role
from tuner.space._layout import ordered, positions
from tuner.space.configuration import Value
from tuner.space.contract import Parameter


def parameter(layout: DecisionLayout, index: int, model: FeatureModel) -> Parameter:
    """One decision as a parameter."""
    decision = layout.decisions[index]
    feature = decision.feature
    affects = model.inherited(feature.name, "affects")
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
        affects=frozenset(str(affects).split()) if affects is not None else None,
        restart=role(feature, model) == "load",
        argument=str(argument),
        unit=str(unit) if unit is not None else None,
    )


def _parent(layout: DecisionLayout, index: int) -> tuple[str, frozenset[Value]] | None:
    active = layout.decisions[index].active
    if not isinstance(active, ActiveWhen):
        return None
    above = layout.decisions[active.decision]
    return above.name, frozenset(above.values[code] for code in active.codes)
