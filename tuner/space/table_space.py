"""A space whose valid configurations are the rows of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tuner.errors import UserError
from tuner.space import _ranges
from tuner.space._columns import parameters_of
from tuner.space.configuration import Configuration, Value
from tuner.space.contract import ENUMERABLE, INACTIVE, Arguments, Codes, Parameter, Space

if TYPE_CHECKING:
    import optuna

COMPARED = 2_000
"""Rows of a long table among which a changed configuration is looked for."""


class TableSpace:
    """The space of the distinct rows of a table; implements `Space`.

    Args:
        columns: values per column name, all of one length; "" is a blank cell.

    Raises:
        ValueError: where columns differ in length or there are none.

    """

    def __init__(self, columns: Mapping[str, Sequence[Value]]) -> None:
        lengths = {len(values) for values in columns.values()}
        if len(lengths) != 1 or 0 in lengths:
            raise ValueError("a table needs at least one column and one row, all of one length")
        parameters, codes = parameters_of(columns)
        self._parameters = parameters
        _, first, group = np.unique(codes, axis=0, return_index=True, return_inverse=True)
        order = np.argsort(first)
        self.rows_: Codes = codes[first[order]]
        self.row_of: npt.NDArray[np.int64] = np.argsort(order)[group.reshape(-1)]
        """For each row of the table its place in `rows_`."""
        self._index = {row.tobytes(): i for i, row in enumerate(self.rows_)}
        self._default = _medoid(self)
        self._knows_default = False

    @classmethod
    def among(cls, space: Space, codes: Codes) -> TableSpace:
        """Some configurations of another space, with its parameters and, if it is one, its default.

        Args:
            space: the space.
            codes: rows of it, `n x p`, in the order in which they become `rows_`; each counts once.

        """
        _, first = np.unique(codes, axis=0, return_index=True)
        rows = _int32(codes[np.sort(first)])
        other = cls.__new__(cls)
        other._parameters = space.parameters
        other.rows_ = rows
        other._index = {row.tobytes(): i for i, row in enumerate(rows)}
        other.row_of = other.index(codes)
        default = other._index.get(space.encode([space.default])[0].tobytes())
        other._default = _medoid(other) if default is None else default
        other._knows_default = default is not None and space.knows_default
        return other

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """One parameter a column, parents before children."""
        return self._parameters

    @property
    def default(self) -> Configuration:
        """The row nearest to all others: a table says nothing about an engine's default."""
        return self.decode(self.rows_[self._default][None])[0]

    @property
    def knows_default(self) -> bool:
        """Only where the rows are those of a space that does: a table says nothing about it."""
        return self._knows_default

    def starting_anywhere(self, seed: int) -> TableSpace:
        """The same space with a row drawn by the seed for its default."""
        other = copy(self)
        other._knows_default = False
        other._default = int(np.random.default_rng([seed, 99]).integers(len(self)))
        return other

    def __len__(self) -> int:
        return len(self.rows_)

    @property
    def size(self) -> int:
        """Number of distinct rows."""
        return len(self.rows_)

    def rows(self) -> Codes | None:
        """All rows where there are at most `ENUMERABLE`, else None. Shape `size x p`."""
        return self.rows_ if len(self) <= ENUMERABLE else None

    def sample(self, n: int, rng: np.random.Generator, *, uniform: bool = False) -> Codes:
        """`n` rows drawn uniformly with replacement; `uniform` changes nothing here."""
        return self.rows_[rng.integers(len(self), size=n)]

    def mutate(self, codes: Codes, rng: np.random.Generator, *, changes: int = 1) -> Codes:
        """For each row another one whose number of different cells is nearest to `changes`."""
        out = codes.copy()
        rows = self.rows_
        if len(rows) > COMPARED:
            rows = rows[rng.choice(len(rows), COMPARED, replace=False)]
        for i, code in enumerate(codes):
            differences = (rows != code).sum(1)
            distance = np.where(differences > 0, abs(differences - changes), np.iinfo(int).max)
            if differences.any():
                out[i] = rows[rng.choice(np.flatnonzero(distance == distance.min()))]
        return out

    def neighbours(self, code: Codes) -> Codes:
        """Rows that differ in one cell: next row up or down if ordered, any if categorical.

        A cell that a change switches on or off comes with it and does not count.
        """
        both = (self.rows_ != INACTIVE) & (code != INACTIVE)
        differs = (self.rows_ != code) & both
        single = self.rows_[differs.sum(1) == 1]
        column = differs[differs.sum(1) == 1].argmax(1)
        chosen = []
        for j, parameter in enumerate(self._parameters):
            rows = single[column == j]
            if parameter.kind == "ordered" and len(rows):
                step = rows[:, j] - code[j]
                nearest = [s[abs(s).argmin()] for s in (step[step > 0], step[step < 0]) if len(s)]
                rows = rows[np.isin(step, nearest)]
            chosen.append(rows)
        return np.concatenate(chosen) if chosen else self.rows_[:0]

    def is_valid(self, codes: Codes) -> npt.NDArray[np.bool_]:
        """Whether each row of codes is a row of the table. Shape `n`."""
        return np.array([row.tobytes() in self._index for row in _int32(codes)], dtype=bool)

    def index(self, codes: Codes) -> npt.NDArray[np.int64]:
        """The place of each row of codes in `rows_`; KeyError where one is not there."""
        return np.array([self._index[row.tobytes()] for row in _int32(codes)], dtype=np.int64)

    def repair(self, codes: Codes) -> Codes:
        """The nearest row of the table (see `nearest`)."""
        places = [self._index.get(row.tobytes(), -1) for row in _int32(codes)]
        nearest = [
            place if place >= 0 else self.nearest_row(row)
            for place, row in zip(places, codes, strict=True)
        ]
        return self.rows_[np.array(nearest, dtype=np.int64)]

    def nearest_row(self, code: Codes, among: npt.NDArray[np.int64] | None = None) -> int:
        """The place in `rows_` of the row that has fewest cells unlike a code's.

        Of several it is the one whose positions are nearest; `among` are the places to choose
        from, all where it is None.
        """
        rows = self.rows_ if among is None else self.rows_[among]
        different = rows != code
        gaps = np.zeros(different.shape)
        for j, parameter in enumerate(self._parameters):
            if parameter.kind == "ordered" and code[j] != INACTIVE:
                positions = np.array([*parameter.positions, np.nan])
                gaps[:, j] = np.nan_to_num(abs(positions[rows[:, j]] - positions[code[j]]))
        first = int(np.lexsort((gaps.sum(1), different.sum(1)))[0])
        return first if among is None else int(among[first])

    def encode(self, configurations: Sequence[Configuration]) -> Codes:
        """Codes of configurations; ValueError where one is no row of the table."""
        codes = np.array([self._code(c) for c in configurations], dtype=np.int32)
        codes = codes.reshape(len(configurations), len(self._parameters))
        if not self.is_valid(codes).all():
            raise ValueError("a configuration is no row of the table")
        return codes

    def _code(self, values: Mapping[str, Any]) -> list[int]:
        known = {p.name for p in self._parameters}
        if not set(values) <= known:
            raise ValueError(f"unknown columns: {sorted(set(values) - known)}")
        return [
            p.values.index(values[p.name]) if p.name in values else INACTIVE
            for p in self._parameters
        ]

    def decode(self, codes: Codes) -> list[Configuration]:
        """The configurations that rows of codes stand for."""
        return [
            Configuration.of(
                {
                    p.name: p.values[code]
                    for p, code in zip(self._parameters, row, strict=True)
                    if code != INACTIVE
                }
            )
            for row in codes.tolist()
        ]

    def configuration(self, values: Mapping[str, Any]) -> Configuration:
        """The row with these values that is nearest to the default.

        Raises `UserError` where no row has them.
        """
        matches = np.ones(len(self), dtype=bool)
        by_name = {p.name: (j, p) for j, p in enumerate(self._parameters)}
        for name, value in values.items():
            if name not in by_name:
                raise UserError(f"the table has no feature '{name}'; it has {', '.join(by_name)}.")
            j, parameter = by_name[name]
            if value in parameter.values:
                matches &= self.rows_[:, j] == parameter.values.index(value)
            else:
                matches[:] = False
        if not matches.any():
            said = ", ".join(f"{name}={value}" for name, value in values.items())
            raise UserError(f"no row of the table has {said}.")
        candidates = self.rows_[matches]
        away = (candidates != self.rows_[self._default]).sum(1)
        return self.decode(candidates[[int(away.argmin())]])[0]

    def arguments(self, configuration: Configuration) -> Arguments:
        """All values as request arguments: a table knows no engine."""
        return Arguments(load={}, request=dict(configuration), harness={})

    def distributions(self) -> dict[str, optuna.distributions.BaseDistribution]:
        """One Optuna distribution a parameter: a number range or the categories."""
        return {p.name: _ranges.distribution(p) for p in self._parameters}

    def suggest(self, trial: optuna.trial.BaseTrial) -> Configuration:
        """Ask an Optuna trial for every active parameter and take the nearest row."""
        code: list[int] = []
        place = {p.name: j for j, p in enumerate(self._parameters)}
        for parameter in self._parameters:
            if parameter.parent is not None:
                above = place[parameter.parent[0]]
                value = self._parameters[above].values[code[above]]
                if code[above] == INACTIVE or value not in parameter.parent[1]:
                    code.append(INACTIVE)
                    continue
            code.append(_ranges.suggested(trial, parameter))
        return self.decode(self.repair(np.array([code], dtype=np.int32)))[0]


def _medoid(space: TableSpace) -> int:
    """The row with the most common cells: a centre that also suits categories."""
    closeness = np.zeros(len(space))
    for j, parameter in enumerate(space.parameters):
        column = space.rows_[:, j]
        active = column != INACTIVE
        if parameter.kind == "ordered":
            position = np.array([*parameter.positions, 0.0])[column]
            if active.any():
                closeness -= np.where(active, abs(position - np.median(position[active])), 1.0)
        else:
            share = np.bincount(column[active], minlength=len(parameter.values)) / len(column)
            closeness += np.where(active, share[column], 0.0)
    return int(closeness.argmax())


def _int32(codes: Codes) -> Codes:
    return np.ascontiguousarray(codes, dtype=np.int32)
