"""Whether a feature model fits a release of its engine."""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from pathlib import Path

from tuner.features import FeatureModel


def engine_of(model: FeatureModel) -> str:
    """The engine that a feature model is written for, by its name; empty where it names none."""
    return str(model.root.attributes.get("engine", ""))


def version_warning(model: FeatureModel, version: str | None) -> str | None:
    """A sentence where the model was written for other releases than this one.

    None where it fits, where it does not say, and where the version is unknown or names no release.
    """
    from packaging.specifiers import SpecifierSet
    from packaging.version import InvalidVersion

    written_for = str(model.root.attributes.get("engine_version", ""))
    if version is None:
        return None
    try:
        fits = SpecifierSet(written_for).contains(version, prereleases=True)
    except InvalidVersion:  # the name of a build, which says nothing of its release
        return None
    if fits:
        return None
    return (
        f"{Path(model.source).name} was written for {engine_of(model)} {written_for}, but this is "
        f"{version}: it may offer what this release does not take, and miss what is new."
    )


def unknown_arguments(model: FeatureModel, known: Set[str]) -> tuple[str, ...] | None:
    """The model's arguments of role `load`, and generation settings, that are not among `known`.

    None where nothing is known: the engine is not installed, or its sources cannot be read.
    """
    if not known:
        return None
    return tuple(name for name in _arguments(model) if not _is_known(name, known))


def _arguments(model: FeatureModel) -> Iterator[str]:
    """What the engine is told at the start, and as a generation setting; each name once."""
    names: dict[str, None] = {}
    for feature in model.features.values():
        given = feature.attributes
        found = [str(value) for key, value in given.items() if re.fullmatch(r"arg\d*", key)]
        if feature.typed and "arg" not in given:
            found.append(feature.name)
        role = model.inherited(feature.name, "role")
        for name in found:
            if role == "load" or name.startswith("generation_config."):
                names[name] = None
    yield from names


def _is_known(name: str, known: Set[str]) -> bool:
    return name == "model" or name in known or name.removeprefix("no_") in known
