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

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tuner.features._inert import default_children
from tuner.features._model import Feature, FeatureModel, Group
from tuner.features._values import Value, nearest_value


@dataclass(frozen=True)
class ActiveWhen:
    """True while the decision with this index has one of these codes."""

    decision: int
    codes: frozenset[int]


Condition = bool | ActiveWhen


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
        return len(self.values) + isinstance(self.active, ActiveWhen)


@dataclass(frozen=True)
class DecisionLayout:
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


def layout_of(model: FeatureModel) -> DecisionLayout:
    """The decisions of a model."""
    return _LayoutBuilder(model).layout()


def heights(decisions: Sequence[Decision]) -> list[int]:
    """How many levels of decisions depend on each.

    Weighted sampling takes high ones first, so that what others depend on is decided before them.
    """
    found = [0] * len(decisions)
    for i in reversed(range(len(decisions))):
        active = decisions[i].active
        if isinstance(active, ActiveWhen):
            found[active.decision] = max(found[active.decision], found[i] + 1)
    return found


class _LayoutBuilder:
    """One walk over the tree."""

    def __init__(self, model: FeatureModel) -> None:
        self.model = model
        self.decisions: list[Decision] = []
        self.selected: dict[str, Condition] = {}
        self.values: dict[str, int | tuple[Value]] = {}
        self.groups: list[tuple[str, Group]] = []
        self.names: set[str] = set()

    def layout(self) -> DecisionLayout:
        self._feature(self.model.root, True)
        return DecisionLayout(tuple(self.decisions), self.selected, self.values, tuple(self.groups))

    def _feature(self, feature: Feature, condition: Condition) -> None:
        self.selected[feature.name] = condition
        if feature.typed:
            values = feature.domain
            default = nearest_value(values, feature.default)
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
            self._feature(child, ActiveWhen(index, frozenset({code})))

    def _switches(self, feature: Feature, group: Group, condition: Condition) -> None:
        if group.kind != "optional":
            self.groups.append((feature.name, group))
        chosen = default_children(feature, group)
        for child in group.features:
            taken = child.typed or any(g.kind == "alternative" for g in child.groups)
            name = f"use_{child.name}" if taken else child.name
            on = int(child in chosen)
            index = self._decide("switch", name, child, (False, True), on, condition)
            self._feature(child, ActiveWhen(index, frozenset({1})))

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
