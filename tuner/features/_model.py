"""What a feature model is: a tree of features in groups, and constraints across it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from tuner.features._domain import domain_of
from tuner.features._values import Attribute, FeatureType, GroupKind, Value
from tuner.features.expression import Expression


@dataclass(frozen=True)
class Constraint:
    """Something that every valid configuration fulfils.

    Two constraints are equal where their expressions are.

    Attributes:
        expression: the condition.
        text: how the file writes it.
        comment: the comment lines right above it, without the slashes.
        line: its line in the file, 0 where it was not read from one.
        feature: the feature that carries it as an attribute, None for a cross-tree constraint.
    """

    expression: Expression
    text: str = field(default="", compare=False)
    comment: str = field(default="", compare=False)
    line: int = field(default=0, compare=False)
    feature: str | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Group:
    """Children of one feature under one rule.

    Attributes:
        kind: the rule; `cardinality` is UVL's `[lower..upper]`.
        features: the children.
        lower: least number of selected children where the parent is selected.
        upper: largest number of them.
    """

    kind: GroupKind
    features: tuple[Feature, ...]
    lower: int
    upper: int

    @classmethod
    def of(
        cls, kind: GroupKind, features: Sequence[Feature], lower: int = 0, upper: int | None = None
    ) -> Group:
        """A group with the bounds that its kind implies; `upper` None stands for all children."""
        n = len(features)
        bounds = {
            "mandatory": (n, n),
            "optional": (0, n),
            "or": (1, n),
            "alternative": (1, 1),
            "cardinality": (lower, n if upper is None else upper),
        }
        return cls(kind, tuple(features), *bounds[kind])

    def text(self, parent: str) -> str:
        """Its rule as a sentence about the feature above."""
        names = [child.name for child in self.features]
        listed = ", ".join(names if len(names) <= 8 else [*names[:7], ".."])
        if self.kind == "mandatory":
            return f"{parent} needs {listed}"
        words = {"or": "at least one", "alternative": "exactly one"}
        bounds = words.get(self.kind, f"{self.lower} to {self.upper}")
        return f"{parent} needs {bounds} of {listed}"


@dataclass(frozen=True)
class Feature:
    """One feature with its attributes and its children.

    Attributes:
        name: unique in the model; `alias.name` where it comes from an import.
        type: `Boolean`, or what its value is.
        attributes: in the order of the file.
        groups: its children.
        constraints: constraints written among its attributes; they hold everywhere.
        inert: the condition of its attribute `inert`, under which selecting it, or giving it
            another value than its default, changes nothing.
        comment: the comment lines right above it.
        line: its line in the file.
    """

    name: str
    type: FeatureType = "Boolean"
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    groups: tuple[Group, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    inert: Constraint | None = field(default=None, compare=False)
    comment: str = field(default="", compare=False)
    line: int = field(default=0, compare=False)

    @property
    def typed(self) -> bool:
        """Whether it carries a value when selected."""
        return self.type != "Boolean"

    @property
    def abstract(self) -> bool:
        """Whether it only groups others."""
        return self.attributes.get("abstract") is True

    @cached_property
    def domain(self) -> tuple[Value, ...]:
        """The finite ordered domain of a typed feature, `(True,)` for a Boolean one.

        Raises `ModelError` where the attributes give no finite domain.
        """
        return domain_of(self)

    @cached_property
    def default(self) -> Value | None:
        """Its value unless something else is asked for.

        The attribute `default`; else the first value of the domain of a typed feature, and None
        for a Boolean one.
        """
        given = self.attributes.get("default")
        if isinstance(given, bool | int | float | str):
            return given
        return self.domain[0] if self.typed else None

    @property
    def children(self) -> Iterator[Feature]:
        """The features right below, group after group."""
        return (child for group in self.groups for child in group.features)


@dataclass(frozen=True)
class FeatureModel:
    """A tree of features and constraints across it.

    Attributes:
        root: the feature that every configuration has.
        constraints: the cross-tree constraints in the order of the file.
        namespace: the model's name, where it has one.
        includes: the language levels that the file declares.
        source: the file it was read from.
        notes: what the reader accepted although other readers may not.
    """

    root: Feature
    constraints: tuple[Constraint, ...] = ()
    namespace: str | None = None
    includes: tuple[str, ...] = ()
    source: str = field(default="<text>", compare=False)
    notes: tuple[str, ...] = field(default=(), compare=False)

    @cached_property
    def features(self) -> Mapping[str, Feature]:
        """Every feature by its name, parents before children, in the order of the file."""
        found: dict[str, Feature] = {}
        stack = [self.root]
        while stack:
            feature = stack.pop()
            found[feature.name] = feature
            stack.extend(reversed(list(feature.children)))
        return found

    @cached_property
    def parent_groups(self) -> Mapping[str, tuple[Feature, Group]]:
        """For every feature but the root its parent and the group that it is in."""
        return {
            child.name: (parent, group)
            for parent in self.features.values()
            for group in parent.groups
            for child in group.features
        }

    @cached_property
    def all_constraints(self) -> tuple[Constraint, ...]:
        """The cross-tree constraints and those written among the attributes of features."""
        own = (c for feature in self.features.values() for c in feature.constraints)
        return self.constraints + tuple(own)

    def parent(self, name: str) -> Feature | None:
        """The feature above, None for the root."""
        place = self.parent_groups.get(name)
        return place[0] if place else None

    def subtree(self, name: str) -> tuple[Feature, ...]:
        """A feature and everything below it, parents first."""
        found, stack = [], [self.features[name]]
        while stack:
            feature = stack.pop()
            found.append(feature)
            stack.extend(reversed(list(feature.children)))
        return tuple(found)

    def inherited(self, name: str, attribute: str) -> Attribute | None:
        """An attribute of the feature, or else of its nearest ancestor that has it."""
        feature: Feature | None = self.features[name]
        while feature is not None:
            if attribute in feature.attributes:
                return feature.attributes[attribute]
            feature = self.parent(feature.name)
        return None

    def with_attributes(self, changes: Mapping[str, Mapping[str, Attribute]]) -> FeatureModel:
        """The same model with attributes of some features replaced or added."""

        def changed(feature: Feature) -> Feature:
            groups = tuple(
                replace(group, features=tuple(changed(child) for child in group.features))
                for group in feature.groups
            )
            attributes = {**feature.attributes, **changes.get(feature.name, {})}
            return replace(feature, groups=groups, attributes=attributes)

        return replace(self, root=changed(self.root))
