"""One feature model out of several: an engine's, and the hardware's that it runs on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tuner.errors import UserError
from tuner.features import FeatureModel, Group


def combine(models: Sequence[FeatureModel]) -> FeatureModel:
    """One model whose configurations are all pairs of one of each.

    The others' roots become mandatory children of the first one's root, which keeps its name and
    its attributes (`engine`, `engine_version`). All constraints hold; there are as many
    configurations as the product of each model's number.

    Args:
        models: at least one; the engine's first.

    Raises:
        UserError: two of them have a feature of the same name.
    """
    first, *others = models
    known = dict.fromkeys(first.features, first)
    for model in others:
        for name in model.features:
            if name in known:
                raise UserError(
                    f"{known[name].root.name} and {model.root.name} can't be combined: both have a "
                    f"feature '{name}'. Rename it in one of the files."
                )
            known[name] = model
    below = Group.of("mandatory", [model.root for model in others])
    groups = (*first.root.groups, below) if others else first.root.groups
    return replace(
        first,
        root=replace(first.root, groups=groups),
        constraints=tuple(c for model in models for c in model.constraints),
        includes=tuple(dict.fromkeys(level for model in models for level in model.includes)),
        notes=tuple(note for model in models for note in model.notes),
    )
