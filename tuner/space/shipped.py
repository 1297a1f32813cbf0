"""The feature models that ship with the tuner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tuner.errors import UserError
from tuner.features import FeatureModel, read_uvl
from tuner.space.configuration import Value
from tuner.space.expectations import expectations
from tuner.space.pins import unknown
from tuner.space.search_space import SearchSpace

_PACKAGE = Path(__file__).parents[1]
_FOLDERS = (_PACKAGE / "_spaces", _PACKAGE.parent / "spaces")
"""Where they are in a wheel, and in an editable checkout."""


def shipped_spaces() -> dict[str, Path]:
    """The files of the shipped feature models by their names."""
    folder = next((folder for folder in _FOLDERS if folder.is_dir()), _FOLDERS[0])
    return {path.stem: path for path in sorted(folder.glob("*.uvl"))}


def load_model(name_or_path: str | Path) -> FeatureModel:
    """A shipped feature model by its name, or one from a file.

    Raises:
        UserError: where there is neither, or the file can't be read, what is expected of its
            features included.
    """
    shipped = shipped_spaces()
    path = shipped.get(str(name_or_path), Path(name_or_path))
    if path.suffix != ".uvl" and not path.is_file():
        raise UserError(f"{unknown(str(name_or_path), shipped)} (or give the path of a .uvl file)")
    model = read_uvl(path)
    expectations(model)
    return model


def load_space(
    name_or_path: str | Path,
    *,
    pins: Mapping[str, Value] | None = None,
    domains: Mapping[str, Sequence[Value]] | None = None,
) -> SearchSpace:
    """The search space of a shipped feature model, or of one from a file.

    Args:
        name_or_path: `transformers`, `vllm`, or the path of a UVL file.
        pins: see `SearchSpace.from_model`.
        domains: see `SearchSpace.from_model`.

    Raises:
        UserError: where there is no such model, it can't be read, or no configuration is valid.
    """
    return SearchSpace.from_model(load_model(name_or_path), pins=pins, domains=domains)
