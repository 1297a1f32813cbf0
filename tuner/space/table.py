"""A space whose valid configurations are the rows of a table: past measurements, replayed.

Columns become parameters. Numbers are ordered, on the scale on which their values lie most
evenly; `true`/`false` are ordered switches; everything else is a category. A numeric column that
is blank exactly where another column takes certain values is a conditional parameter of that one.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tuner.errors import UserError
from tuner.space.configuration import Configuration, Value
from tuner.space.contract import ENUMERABLE, INACTIVE, Arguments, Codes, Parameter

if TYPE_CHECKING:
    import optuna

BLANK = ""
COMPARED = 2_000
"""Rows of a long table among which a changed configuration is looked for."""


@dataclass(frozen=True)
class Table:
    """Past measurements: a space over the distinct rows and what was measured in each.

    Attributes:
        space: the space; `space.rows_` are its rows in the order of their first appearance.
        values: objective values `n x m`, rows that were measured repeatedly are averaged.
        sems: standard errors of the averages `n x m`; NaN where a row was measured once.
        columns: names of the m objective columns.

    """

    space: TableSpace
    values: npt.NDArray[np.float64]
    sems: npt.NDArray[np.float64]
    columns: tuple[str, ...]


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
        parameters, codes = _parameters(columns)
        self._parameters = parameters
        _, first, group = np.unique(codes, axis=0, return_index=True, return_inverse=True)
        order = np.argsort(first)
        self.rows_: Codes = codes[first[order]]
        self.row_of: npt.NDArray[np.int64] = np.argsort(order)[group.reshape(-1)]
        """For each row of the table its place in `rows_`."""
        self._index = {row.tobytes(): i for i, row in enumerate(self.rows_)}
        self._medoid = _medoid(self)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """One parameter a column, parents before children."""
        return self._parameters

    @property
    def default(self) -> Configuration:
        """The row nearest to all others: a table says nothing about an engine's default."""
        return self.decode(self.rows_[self._medoid][None])[0]

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
        """The nearest row of the table: fewest different cells, then nearest positions."""
        places = [self._index.get(row.tobytes(), -1) for row in _int32(codes)]
        nearest = [
            place if place >= 0 else self._nearest(row)
            for place, row in zip(places, codes, strict=True)
        ]
        return self.rows_[np.array(nearest, dtype=np.int64)]

    def _nearest(self, code: Codes) -> int:
        different = self.rows_ != code
        gaps = np.zeros(different.shape)
        for j, parameter in enumerate(self._parameters):
            if parameter.kind == "ordered" and code[j] != INACTIVE:
                positions = np.array([*parameter.positions, np.nan])
                gaps[:, j] = np.nan_to_num(abs(positions[self.rows_[:, j]] - positions[code[j]]))
        return int(np.lexsort((gaps.sum(1), different.sum(1)))[0])

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
        away = (candidates != self.rows_[self._medoid]).sum(1)
        return self.decode(candidates[[int(away.argmin())]])[0]

    def arguments(self, configuration: Configuration) -> Arguments:
        """All values as request arguments: a table knows no engine."""
        return Arguments(load={}, request=dict(configuration), harness={})

    def distributions(self) -> dict[str, optuna.distributions.BaseDistribution]:
        """One Optuna distribution a parameter: a number range or the categories."""
        return {p.name: _distribution(p) for p in self._parameters}

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
            code.append(_ask(trial, parameter))
        return self.decode(self.repair(np.array([code], dtype=np.int32)))[0]


def read_table(
    path: Path | str, objectives: Sequence[str], features: Sequence[str] | None = None
) -> Table:
    """Read past measurements from a CSV file.

    Args:
        path: a CSV file with a header line.
        objectives: names of the columns that were measured.
        features: names of the columns that were decided; None for all others.

    Raises:
        UserError: the file or a column is missing, or a cell of an objective is no number. Rows
            in which an objective is blank are left out.

    """
    header, rows = _read_csv(Path(path))
    for column in [*objectives, *(features or ())]:
        if column not in header:
            raise UserError(f"{path} has no column '{column}'; it has {', '.join(header)}.")
    if features is None:
        features = [column for column in header if column not in objectives]
    clash = set(features) & set(objectives)
    if clash or not features:
        raise UserError(
            f"{', '.join(sorted(clash)) or 'every column'} of {path} is both feature and "
            "objective; name the features with --features."
        )
    place = {column: header.index(column) for column in header}
    rows = [row for row in rows if all(row[place[c]].strip() for c in objectives)]
    if not rows:
        raise UserError(f"{path} has no row with a value for {', '.join(objectives)}.")
    measured = np.array([[_number(path, row[place[c]], c) for c in objectives] for row in rows])
    space = TableSpace({c: _typed([row[place[c]] for row in rows]) for c in features})
    return Table(space, *_merge(measured, space.row_of, len(space)), columns=tuple(objectives))


def _read_csv(path: Path) -> tuple[list[str], list[list[str]]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = [line for line in csv.reader(file) if line]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the table {path}: {error}.") from error
    if len(lines) < 2:
        raise UserError(f"the table {path} has no rows; give a CSV file with a header line.")
    for i, line in enumerate(lines):
        if len(line) != len(lines[0]):
            raise UserError(
                f"line {i + 1} of {path} has {len(line)} cells where the header has "
                f"{len(lines[0])}."
            )
    return [name.strip() for name in lines[0]], lines[1:]


def _number(path: Path | str, cell: str, column: str) -> float:
    try:
        number = float(cell)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UserError(f"column '{column}' of {path} holds '{cell}', which is no finite number.")
    return number


def _typed(cells: Sequence[str]) -> list[Value]:
    """Cells of a column as booleans, integers, floats or, where that fails, text."""
    texts = [cell.strip() for cell in cells]
    filled = [text for text in texts if text]
    if filled and all(text.lower() in ("true", "false") for text in filled):
        return [text if not text else text.lower() == "true" for text in texts]
    for kind in (int, float):
        try:
            numbers: list[Value] = [kind(text) if text else BLANK for text in texts]
        except ValueError:
            continue
        if filled and all(math.isfinite(float(n)) for n in numbers if n != BLANK):
            return numbers
    return list(texts)


def _merge(
    measured: npt.NDArray[np.float64], group: npt.NDArray[np.int64], n: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Mean and standard error of the rows that share a configuration, `n x m` each."""
    means = np.empty((n, measured.shape[1]))
    sems = np.full((n, measured.shape[1]), np.nan)
    for i in range(n):
        repeats = measured[group == i]
        means[i] = repeats.mean(0)
        if len(repeats) > 1:
            sems[i] = repeats.std(0, ddof=1) / math.sqrt(len(repeats))
    return means, sems


def _parameters(columns: Mapping[str, Sequence[Value]]) -> tuple[tuple[Parameter, ...], Codes]:
    parents = {name: _parent(name, columns) for name in columns}
    names: list[str] = []
    waiting = list(columns)
    while waiting:
        ready = [n for n in waiting if (p := parents[n]) is None or p[0] in names]
        names += ready
        waiting = [n for n in waiting if n not in ready]
    parameters, codes = [], []
    for name in names:
        cells = columns[name]
        parent = parents[name]
        values = [v for v in cells if parent is None or v != BLANK]
        parameter = _parameter(name, values, parent)
        place = {(type(v) is bool, v): i for i, v in enumerate(parameter.values)}
        codes.append([place.get((type(v) is bool, v), INACTIVE) for v in cells])
        parameters.append(parameter)
    return tuple(parameters), np.array(codes, dtype=np.int32).T.copy()


def _parent(
    name: str, columns: Mapping[str, Sequence[Value]]
) -> tuple[str, frozenset[Value]] | None:
    """The full column whose values say where `name` is blank, if it is blank anywhere."""
    cells = columns[name]
    if all(v != BLANK for v in cells) or all(isinstance(v, str) for v in cells):
        return None
    for other, others in columns.items():
        if other == name or any(v == BLANK for v in others):
            continue
        filled = {o for o, v in zip(others, cells, strict=True) if v != BLANK}
        blank = {o for o, v in zip(others, cells, strict=True) if v == BLANK}
        if not filled & blank and len(filled | blank) < len(cells):
            return other, frozenset(filled)
    return None


def _parameter(
    name: str, cells: Iterable[Value], parent: tuple[str, frozenset[Value]] | None
) -> Parameter:
    values = set(cells)
    if any(isinstance(v, str) for v in values):
        texts = tuple(sorted(str(v) for v in values))
        return Parameter(name, "categorical", texts, default=texts[0], parent=parent)
    ordered = tuple(sorted(values))
    return Parameter(name, "ordered", ordered, _positions(ordered), ordered[0], parent)


def _positions(values: tuple[Value, ...]) -> tuple[float, ...]:
    """Places in [0, 1] on the scale, linear or logarithmic, on which values lie more evenly."""
    numbers = np.array([float(v) for v in values])
    if len(numbers) == 1:
        return (0.0,)
    scales = [numbers]
    if numbers[0] > 0:
        scales.append(np.log(numbers))
    elif numbers[0] == 0:
        scales.append(np.log(np.concatenate([[numbers[1] / 2], numbers[1:]])))
    unevenness = [float(np.std(np.diff(s)) / np.mean(np.diff(s))) for s in scales]
    best = scales[int(np.argmin(unevenness))]
    return tuple(float(x) for x in (best - best[0]) / (best[-1] - best[0]))


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


def _distribution(parameter: Parameter) -> optuna.distributions.BaseDistribution:
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    values, log = parameter.values, _is_log(parameter)
    if _is_choice(parameter):
        return CategoricalDistribution(values)
    if all(isinstance(v, int) for v in values):
        return IntDistribution(int(values[0]), int(values[-1]), log=log)
    return FloatDistribution(float(values[0]), float(values[-1]), log=log)


def _is_choice(parameter: Parameter) -> bool:
    return parameter.kind == "categorical" or isinstance(parameter.values[0], bool)


def _is_log(parameter: Parameter) -> bool:
    """Whether an ordered parameter lies on the logarithmic scale, which Optuna has above 0."""
    if parameter.kind == "categorical" or len(parameter.values) < 3:
        return False
    low, second, high = (float(parameter.values[i]) for i in (0, 1, -1))
    return low > 0 and abs(parameter.positions[1] - (second - low) / (high - low)) > 1e-9


def _ask(trial: optuna.trial.BaseTrial, parameter: Parameter) -> int:
    """Ask for one parameter; the code of the value nearest to the answer."""
    name, values, log = parameter.name, parameter.values, _is_log(parameter)
    if _is_choice(parameter):
        return values.index(trial.suggest_categorical(name, values))
    if all(isinstance(v, int) for v in values):
        answer: float = trial.suggest_int(name, int(values[0]), int(values[-1]), log=log)
    else:
        answer = trial.suggest_float(name, float(values[0]), float(values[-1]), log=log)
    numbers = np.array([float(v) for v in values])
    gaps = abs(np.log(numbers) - math.log(answer)) if log else abs(numbers - answer)
    return int(gaps.argmin())


def _int32(codes: Codes) -> Codes:
    return np.ascontiguousarray(codes, dtype=np.int32)
