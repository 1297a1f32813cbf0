"""From the tree of a feature model to decisions: what has to be chosen, and when.

=============================  ============================================================
in the model                   decision
=============================  ============================================================
alternative group              a choice, named after the parent, between the children's names
optional feature, and child    a switch, named after the feature (`use_NAME` where that name
of an or / cardinality group   is already taken by its value or by its choice)
typed feature                  a value, named after the feature
=============================  ============================================================

Every feature is selected exactly while one decision has one of certain values: the `Condition`
of the feature. Decisions that have one value left are constants and disappear.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from tuner.features import Feature, FeatureModel, Group, default_children
from tuner.space.configuration import Value


@dataclass(frozen=True)
class Where:
    """True while the decision with this index has one of these codes."""

    decision: int
    codes: frozenset[int]


Condition = bool | Where


@dataclass(frozen=True)
class Decision:
    """Something to choose, with the values that are left to it.

    Attributes:
        name: unique among the decisions.
        kind: a choice between children, a switch of a feature, or the value of one.
        feature: the parent of the children, or the feature itself.
        values: what can be chosen, in order.
        default: index of the engine's own value.
        active: when there is something to choose.
    """

    name: str
    kind: Literal["choice", "switch", "value"]
    feature: Feature
    values: tuple[Value, ...]
    default: int
    active: Condition

    @property
    def length(self) -> int:
        """Number of states: its values, and being inactive where that can be."""
        return len(self.values) + isinstance(self.active, Where)


@dataclass(frozen=True)
class Layout:
    """The decisions of a model, parents first, and what they mean for its features.

    Attributes:
        decisions: in the order of the file.
        selected: for each feature when it is selected.
        values: for each typed feature the index of its decision, or its only value.
        groups: the groups that limit how many of their children are selected, and their parents.
    """

    decisions: tuple[Decision, ...]
    selected: Mapping[str, Condition]
    values: Mapping[str, int | tuple[Value]]
    groups: tuple[tuple[str, Group], ...]


def layout_of(model: FeatureModel, domains: Mapping[str, Sequence[Value]]) -> Layout:
    """The decisions of a model; `domains` replaces the values of typed features."""
    return _Builder(model, domains).layout()


class _Builder:
    """One walk over the tree."""

    def __init__(self, model: FeatureModel, domains: Mapping[str, Sequence[Value]]) -> None:
        self.model, self.domains = model, domains
        self.decisions: list[Decision] = []
        self.selected: dict[str, Condition] = {}
        self.values: dict[str, int | tuple[Value]] = {}
        self.groups: list[tuple[str, Group]] = []
        self.names: set[str] = set()

    def layout(self) -> Layout:
        self._feature(self.model.root, True)
        return Layout(tuple(self.decisions), self.selected, self.values, tuple(self.groups))

    def _feature(self, feature: Feature, condition: Condition) -> None:
        self.selected[feature.name] = condition
        if feature.typed:
            values, default = domain(feature, self.domains.get(feature.name))
            self.values[feature.name] = self._decide(
                "value", feature.name, feature, values, default, condition
            )
        for group in feature.groups:
            if group.kind == "alternative" or (group.lower, group.upper) == (1, 1):
                self._choice(feature, group, condition)
            elif group.lower == len(group.features):
                for child in group.features:
                    self._feature(child, condition)
            else:
                self._switches(feature, group, condition)

    def _choice(self, feature: Feature, group: Group, condition: Condition) -> None:
        names = tuple(child.name for child in group.features)
        at = names.index(default_children(feature, group)[0].name)
        index = self._decide("choice", feature.name, feature, names, at, condition)
        for code, child in enumerate(group.features):
            self._feature(child, Where(index, frozenset({code})))

    def _switches(self, feature: Feature, group: Group, condition: Condition) -> None:
        if group.kind != "optional":
            self.groups.append((feature.name, group))
        chosen = default_children(feature, group)
        for child in group.features:
            taken = child.typed or any(g.kind == "alternative" for g in child.groups)
            name = f"use_{child.name}" if taken else child.name
            on = int(child in chosen)
            index = self._decide("switch", name, child, (False, True), on, condition)
            self._feature(child, Where(index, frozenset({1})))

    def _decide(
        self,
        kind: Literal["choice", "switch", "value"],
        name: str,
        feature: Feature,
        values: tuple[Value, ...],
        default: int,
        active: Condition,
    ) -> int:
        while name in self.names:
            name += "_"
        self.names.add(name)
        self.decisions.append(Decision(name, kind, feature, values, default, active))
        return len(self.decisions) - 1


def domain(feature: Feature, given: Sequence[Value] | None = None) -> tuple[tuple[Value, ...], int]:
    """The values of a typed feature in order, and the index of its default.

    `given` replaces the values that the model lists; its first one is the default then.
    """
    if given is None:
        values, default = feature.domain, feature.default
    else:
        values, default = tuple(dict.fromkeys(given)), given[0]
        if feature.type != "String":
            values = tuple(sorted(values, key=float))
    index = place(values, default)
    if index is None:
        index = min(range(len(values)), key=lambda i: distance(values[i], default))
    return values, index


def place(values: Sequence[Value], value: object) -> int | None:
    """The index of a value among others, None where it is not there; numbers may differ by 1e-9."""
    for i, other in enumerate(values):
        if _number(value) and _number(other):
            if math.isclose(float(value), float(other), rel_tol=1e-9, abs_tol=1e-12):  # type: ignore[arg-type]
                return i
        elif type(value) is type(other) and value == other:
            return i
    return None


def distance(value: Value, wish: object) -> float:
    """How far a number is from what was wanted; 0 for what is no number."""
    return abs(float(value) - float(wish)) if _number(value) and _number(wish) else 0.0  # type: ignore[arg-type]


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


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


def reduced(layout: Layout, support: Sequence[npt.NDArray[np.bool_]]) -> Layout:
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
        return Where(place_of[condition.decision], left)

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
        wish = decision.values[decision.default]
        near = min(range(len(values)), key=lambda k: (values[k] != wish, distance(values[k], wish)))
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
    return Layout(tuple(kept), selected, found, layout.groups)


def below(layout: Layout, feature: str, model: FeatureModel) -> Iterator[int]:
    """The decisions that a feature and everything under it make."""
    names: Collection[str] = {f.name for f in model.subtree(feature)}
    for i, decision in enumerate(layout.decisions):
        own = decision.kind == "switch" and decision.feature.name == feature
        if decision.feature.name in names and not own:
            yield i
