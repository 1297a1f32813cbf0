"""Configurations as rows of numbers, which is how samples and checks pass them on.

`rows` is an int32 array `n x f`, one column a feature in the order of `FeatureModel.features`:
-1 where the feature is not selected, 0 where a Boolean one is, and for a typed one the index of
its value in its domain.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from tuner.features._errors import ModelError
from tuner.features._model import Feature, FeatureModel
from tuner.features._resolve import near
from tuner.features._values import Value, index_of
from tuner.features._vector import Columns, Vocabulary

Rows = npt.NDArray[np.int32]
UNSELECTED = -1


class ColumnLayout:
    """Which column of a row stands for what."""

    def __init__(self, model: FeatureModel, vocabulary: Vocabulary | None = None) -> None:
        self.model = model
        self.names = tuple(model.features)
        self.column = {name: i for i, name in enumerate(self.names)}
        self.vocabulary = vocabulary or Vocabulary()

    @cached_property
    def _codes(self) -> dict[str, npt.NDArray[np.float64]]:
        """For each typed feature the numbers behind its indices; the last is NaN, for -1."""
        code = self.vocabulary.code
        return {
            name: np.array([*(code(v) for v in feature.domain), np.nan])
            for name, feature in self.model.features.items()
            if feature.typed
        }

    def columns(self, rows: Rows) -> Columns:
        """Rows in the form that compiled conditions take."""
        selected = {name: rows[:, i] >= 0 for i, name in enumerate(self.names)}
        values = {name: codes[rows[:, self.column[name]]] for name, codes in self._codes.items()}
        return Columns(selected, values)

    def configurations(self, rows: Rows) -> list[dict[str, Value]]:
        """Rows as mappings of the selected features to True or to their values."""
        domains = [self.model.features[name].domain for name in self.names]
        return [
            {self.names[i]: domains[i][row[i]] for i in range(len(row)) if row[i] >= 0}
            for row in rows.tolist()
        ]

    def rows(self, configurations: Sequence[Mapping[str, Value | None]]) -> Rows:
        """Mappings of features to values as rows; a feature that is absent is not selected.

        Raises `ModelError` where a feature is unknown or a value is not in its domain.
        """
        rows = np.full((len(configurations), len(self.names)), UNSELECTED, dtype=np.int32)
        for row, configuration in zip(rows, configurations, strict=True):
            for name, value in configuration.items():
                feature = find(self.model, name)
                if chosen(value):
                    row[self.column[name]] = position(feature, value)
        return rows


def chosen(value: Value | None) -> bool:
    """Whether a feature with this value is selected: None and False say that it is not."""
    return value is not None and value is not False


def find(model: FeatureModel, name: str) -> Feature:
    """The feature of this name, or a `ModelError` that names what is near."""
    feature = model.features.get(name)
    if feature is None:
        raise ModelError(f"there is no feature '{name}'{near(name, list(model.features))}")
    return feature


def position(feature: Feature, value: Value | None) -> int:
    """The index of a value in the domain of a feature, or a `ModelError` with the domain."""
    if not feature.typed:
        if value is True:
            return 0
        raise ModelError(f"feature '{feature.name}' is Boolean: true or false, not {value!r}")
    if value is True:
        raise ModelError(f"feature '{feature.name}' needs a value, one of {_shown(feature.domain)}")
    index = index_of(feature.domain, value)
    if index is not None:
        return index
    raise ModelError(f"feature '{feature.name}' can't be {value!r}: {_shown(feature.domain)}")


def _shown(domain: Iterable[Value]) -> str:
    values = [str(value) for value in domain]
    if len(values) > 12:
        values = [*values[:6], "..", *values[-3:]]
    return ", ".join(values)
