"""What the engine is given for a row of codes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, cast

from tuner.features import Condition, DecisionLayout, Feature, FeatureModel
from tuner.space.configuration import Value
from tuner.space.contract import Arguments, Codes

Role = Literal["load", "request", "harness", "hardware", "context"]

_ROLES = ("load", "request", "harness", "hardware")


@dataclass(frozen=True)
class ArgumentBinding:
    """One argument: while `condition` holds it has `value`, or the value of a decision."""

    role: Role
    name: str
    condition: Condition
    value: Value = False
    decision: int | None = None


@dataclass(frozen=True)
class ArgumentMap:
    """All arguments of a model, and the values of typed features that are fixed."""

    layout: DecisionLayout
    bindings: tuple[ArgumentBinding, ...]
    constants: Mapping[str, tuple[Value]]

    @classmethod
    def of(cls, model: FeatureModel, layout: DecisionLayout) -> ArgumentMap:
        """Collect the attributes `arg`, `value` and `role` of a model."""
        bindings = tuple(
            item
            for feature in model.features.values()
            for item in _bindings(feature, model, layout)
        )
        constants = {n: v for n, v in layout.values.items() if isinstance(v, tuple)}
        return cls(layout, bindings, constants)

    def selection(self, code: Codes) -> dict[str, Value]:
        """The features that are selected in one row of codes, with their values."""
        found: dict[str, Value] = {}
        for name, condition in self.layout.selected.items():
            if _holds(condition, code):
                where = self.layout.values.get(name, (True,))
                if isinstance(where, int):
                    found[name] = self.layout.decisions[where].values[code[where]]
                else:
                    found[name] = where[0]
        return found

    def arguments(self, code: Codes) -> Arguments:
        """The arguments of one row of codes."""
        found: dict[str, dict[str, Value]] = {name: {} for name in _ROLES}
        decisions = self.layout.decisions
        for item in self.bindings:
            if _holds(item.condition, code):
                value = item.value
                if item.decision is not None:
                    value = decisions[item.decision].values[code[item.decision]]
                found["request" if item.role == "context" else item.role][item.name] = value
        return Arguments(**found)


def role(feature: Feature, model: FeatureModel) -> Role:
    """The role of a feature: its own, or its nearest ancestor's, or `request`."""
    return cast("Role", model.inherited(feature.name, "role") or "request")


def _holds(condition: Condition, code: Codes) -> bool:
    if isinstance(condition, bool):
        return condition
    return int(code[condition.decision]) in condition.codes


def _bindings(
    feature: Feature, model: FeatureModel, layout: DecisionLayout
) -> Iterator[ArgumentBinding]:
    """The arguments that a feature stands for."""
    of = role(feature, model)
    condition = layout.selected[feature.name]
    attributes = feature.attributes
    if feature.typed:
        name = str(attributes.get("arg", feature.name))
        where = layout.values.get(feature.name)
        if where is None or (of == "context" and "arg" not in attributes):
            return
        if isinstance(where, int):
            yield ArgumentBinding(of, name, condition, decision=where)
        else:
            yield ArgumentBinding(of, name, condition, value=where[0])
    elif "arg" in attributes and "value" in attributes:
        yield ArgumentBinding(
            of, str(attributes["arg"]), condition, value=cast("Value", attributes["value"])
        )
    elif "value" in attributes and (above := model.parent(feature.name)) is not None:
        yield ArgumentBinding(
            of, str(above.attributes["arg"]), condition, value=cast("Value", attributes["value"])
        )
    k = 2
    while f"arg{k}" in attributes:
        value = cast("Value", attributes.get(f"value{k}", True))
        yield ArgumentBinding(of, str(attributes[f"arg{k}"]), condition, value=value)
        k += 1
