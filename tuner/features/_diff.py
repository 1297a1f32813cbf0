"""What changed between two feature models, in the text and in the configurations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from tuner.features._compiled import compile_model
from tuner.features._errors import ModelError
from tuner.features._model import Constraint, Feature, FeatureModel, Group
from tuner.features.expression import And, Expression, Implies, Not, Or, Selected

LARGEST_GROUP = 300
"""Alternatives that are written as a constraint."""


@dataclass(frozen=True)
class Difference:
    """What changed from one model to another.

    Attributes:
        added: features that are new.
        removed: features that are gone.
        changed: for features of both, what is different about them, in words.
        constraints_added: constraints that are new, as written.
        constraints_removed: constraints that are gone, as written.
        kept: configurations that both models have; None where features or domains differ, or
            where counting is beyond reach.
        only_before: configurations that the change excludes.
        only_after: configurations that the change adds.
    """

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: dict[str, tuple[str, ...]]
    constraints_added: tuple[str, ...]
    constraints_removed: tuple[str, ...]
    kept: int | None = None
    only_before: int | None = None
    only_after: int | None = None

    @property
    def kind(self) -> str:
        """`refactoring`, `specialisation`, `generalisation`, or `arbitrary edit`.

        As in Thuem et al. 2009, "Reasoning about Edits to Feature Models"; empty where the
        configurations were not compared.
        """
        if self.kept is None:
            return ""
        return {
            (False, False): "refactoring",
            (True, False): "specialisation",
            (False, True): "generalisation",
            (True, True): "arbitrary edit",
        }[(bool(self.only_before), bool(self.only_after))]


def diff(before: FeatureModel, after: FeatureModel, *, seconds: float | None = 10.0) -> Difference:
    """Compare two models; their valid configurations are counted where they can be."""
    changed = {
        name: words
        for name, feature in before.features.items()
        if name in after.features and (words := tuple(_changes(before, after, feature)))
    }
    old = {c.expression: c for c in before.all_constraints}
    new = {c.expression: c for c in after.all_constraints}
    found = Difference(
        tuple(name for name in after.features if name not in before.features),
        tuple(name for name in before.features if name not in after.features),
        changed,
        tuple(c.text for e, c in new.items() if e not in old),
        tuple(c.text for e, c in old.items() if e not in new),
    )
    if found.added or found.removed or not _same_domains(before, after):
        return found
    try:
        first = compile_model(before, canonical=False, seconds=seconds).count
        second = compile_model(after, canonical=False, seconds=seconds).count
        both = compile_model(_joined(before, after), canonical=False, seconds=seconds).count
    except ModelError:
        return found
    return replace(found, kept=both, only_before=first - both, only_after=second - both)


def _changes(before: FeatureModel, after: FeatureModel, old: Feature) -> Iterator[str]:
    new = after.features[old.name]
    if old.type != new.type:
        yield f"type {old.type} -> {new.type}"
    places = before.parent_groups.get(old.name), after.parent_groups.get(old.name)
    names = [place[0].name if place else "none" for place in places]
    if names[0] != names[1]:
        yield f"parent {names[0]} -> {names[1]}"
    kinds = [_kind(place[1]) if place else "root" for place in places]
    if kinds[0] != kinds[1]:
        yield f"group {kinds[0]} -> {kinds[1]}"
    for key in dict.fromkeys([*old.attributes, *new.attributes]):
        a, b = old.attributes.get(key), new.attributes.get(key)
        if a != b:
            yield f"attribute {key} {a} -> {b}"


def _kind(group: Group) -> str:
    return f"[{group.lower}..{group.upper}]" if group.kind == "cardinality" else group.kind


def _same_domains(before: FeatureModel, after: FeatureModel) -> bool:
    try:
        return all(
            (f.type, f.domain) == (after.features[n].type, after.features[n].domain)
            for n, f in before.features.items()
        )
    except ModelError:
        return False


def _joined(before: FeatureModel, after: FeatureModel) -> FeatureModel:
    """The first model with everything that the second demands as constraints."""
    extra = [*(c.expression for c in after.all_constraints), *_tree(after)]
    return replace(before, constraints=before.constraints + tuple(Constraint(e) for e in extra))


def _tree(model: FeatureModel) -> Iterator[Expression]:
    yield Selected(model.root.name)
    for parent in model.features.values():
        above = Selected(parent.name)
        for group in parent.groups:
            children = [Selected(child.name) for child in group.features]
            yield from (Implies(child, above) for child in children)
            if (bounds := _bounds(group, children)) is not None:
                yield Implies(above, bounds)


def _bounds(group: Group, children: list[Selected]) -> Expression | None:
    """What a group demands of its children; `ModelError` where that is not said in short."""
    n = len(children)
    if group.lower == 0 and group.upper >= n:
        return None
    if group.lower == n:
        return _all(list(children))
    if group.lower == 1 and group.upper >= n:
        return Or(tuple(children))
    if group.upper != 1 or n > LARGEST_GROUP:
        raise ModelError("a cardinality has no short form as a constraint")
    one = [_all([x if i == j else Not(x) for j, x in enumerate(children)]) for i in range(n)]
    none = [_all([Not(x) for x in children])] if group.lower == 0 else []
    return _any([*one, *none])


def _all(parts: list[Expression]) -> Expression:
    return parts[0] if len(parts) == 1 else And(tuple(parts))


def _any(parts: list[Expression]) -> Expression:
    return parts[0] if len(parts) == 1 else Or(tuple(parts))
