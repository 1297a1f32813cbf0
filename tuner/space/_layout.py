"""The decisions that are left under the rules, and what distances between their values mean."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from tuner.features import (
    ActiveWhen,
    Condition,
    Decision,
    DecisionLayout,
    FeatureModel,
    Value,
    nearest_value,
)


def positions(decision: Decision) -> tuple[float, ...]:
    """The place of each value of an ordered decision in [0, 1], after its declared scale."""
    if decision.kind == "switch":
        return tuple(float(bool(value)) for value in decision.values)
    numbers = np.asarray(decision.values, dtype=float)
    attributes = decision.feature.attributes
    if (attributes.get("log") is True or attributes.get("scale") == "log") and numbers[0] > 0:
        numbers = np.log(numbers)
    span = numbers[-1] - numbers[0]
    return tuple(((numbers - numbers[0]) / span).tolist()) if span else (0.5,) * len(numbers)


def ordered(decision: Decision) -> bool:
    """Whether distances between its values mean something."""
    numeric = decision.feature.type in ("Integer", "Real")
    return decision.kind == "switch" or (decision.kind == "value" and numeric)


def reduced(layout: DecisionLayout, support: Sequence[npt.NDArray[np.bool_]]) -> DecisionLayout:
    """The layout without the states that occur in no valid configuration.

    Args:
        layout: decisions as the model states them.
        support: for each decision, which of its states (values, then inactive) can occur.
    """
    kept: list[Decision] = []
    moved: list[tuple[Condition, dict[int, int]]] = []  # by old index: active, old to new codes
    place_of: dict[int, int] = {}
    constant: dict[int, Value] = {}

    def translated(condition: Condition) -> Condition:
        if isinstance(condition, bool):
            return condition
        active, codes = moved[condition.decision]
        left = frozenset(codes[c] for c in condition.codes if c in codes)
        if not left or active is False:
            return False
        if len(left) == len(codes):
            return active
        return ActiveWhen(place_of[condition.decision], left)

    for i, decision in enumerate(layout.decisions):
        alive = np.flatnonzero(support[i][: len(decision.values)]).tolist()
        codes = {int(old): new for new, old in enumerate(alive)}
        active = translated(decision.active) if alive else False
        moved.append((active, codes))
        values = tuple(decision.values[c] for c in alive)
        if len(values) == 1:
            constant[i] = values[0]
        if active is False or len(values) < 2:
            continue
        place_of[i] = len(kept)
        near = nearest_value(values, decision.values[decision.default])
        kept.append(replace(decision, values=values, default=near, active=active))

    selected = {name: translated(condition) for name, condition in layout.selected.items()}
    found: dict[str, int | tuple[Value]] = {}
    for name, where in layout.values.items():
        if not isinstance(where, int):
            found[name] = where
        elif where in place_of:
            found[name] = place_of[where]
        elif where in constant:
            found[name] = (constant[where],)
    return DecisionLayout(tuple(kept), selected, found, layout.groups)


def below(layout: DecisionLayout, feature: str, model: FeatureModel) -> Iterator[int]:
    """The decisions that a feature and everything under it make."""
    names: Collection[str] = {f.name for f in model.subtree(feature)}
    for i, decision in enumerate(layout.decisions):
        own = decision.kind == "switch" and decision.feature.name == feature
        if decision.feature.name in names and not own:
            yield i
