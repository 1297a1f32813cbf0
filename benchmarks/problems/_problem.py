"""What a problem is: a space, what measuring would give, and the best that there is."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tuner.search import hypervolume
from tuner.space import INACTIVE, Codes, Space, Table
from tuner.surrogates import Objective
from tuner.surrogates.objective import to_scale

Floats = npt.NDArray[np.float64]
HERE = Path(__file__).parent
CHUNK = 200_000


@dataclass(frozen=True)
class Problem:
    """A problem whose answer is known.

    Attributes:
        name: its name.
        space: the valid configurations.
        objectives: what is measured.
        evaluate: true values `n x m` of configurations `n x p`.
        among: values `k x m` that hold the true front, and by whose range hypervolume is
            normalised: the front itself, or all rows of a table.

    """

    name: str
    space: Space
    objectives: tuple[Objective, ...]
    evaluate: Callable[[Codes], Floats]
    among: Floats

    def share(self, values: Floats) -> float:
        """`hypervolume_share(values, objectives, among=among)`, without repeating its half."""
        return self._volume(values) / self._whole

    @cached_property
    def _whole(self) -> float:
        return self._volume(self.among)

    def _volume(self, values: Floats) -> float:
        columns = []
        for j, objective in enumerate(self.objectives):
            scale = objective.scale_for(self.among[:, j])
            ends = to_scale(self.among[:, j], objective, scale)
            scaled = to_scale(values[:, j], objective, scale)
            columns.append((scaled - ends.min()) / (float(np.ptp(ends)) or 1.0))
        return hypervolume(np.stack(columns, 1), np.full(len(columns), 1.1))


def of_table(name: str, table: Table, objectives: Sequence[Objective]) -> Problem:
    """A measured table as a problem."""

    def evaluate(codes: Codes) -> Floats:
        return table.values[table.space.index(codes)]

    return Problem(name, table.space, tuple(objectives), evaluate, table.values)


class Columns:
    """Rows of codes, column by column: `columns["batch"]` are the values, NaN where inactive."""

    def __init__(self, space: Space, codes: Codes) -> None:
        self._index = {p.name: j for j, p in enumerate(space.parameters)}
        self._parameters, self._codes = space.parameters, codes

    def __getitem__(self, name: str) -> Floats:
        values = self._parameters[self._index[name]].values
        return self.of(name, {value: float(value) for value in values}, np.nan)

    def of(self, name: str, numbers: dict, inactive: float = 0.0) -> Floats:
        """The number that stands for each value of a parameter."""
        j = self._index[name]
        told = [float(numbers[value]) for value in self._parameters[j].values]
        return np.array([*told, inactive])[self._codes[:, j]]

    def has(self, name: str, value: object) -> npt.NDArray[np.bool_]:
        """Where a parameter has a value."""
        j = self._index[name]
        return self._codes[:, j] == self._parameters[j].values.index(value)


def everything(space: Space, chunk: int = CHUNK) -> Iterator[Codes]:
    """All valid configurations, in pieces: the whole grid, without what is not valid."""

    def grown(rows: Codes, j: int) -> Iterator[Codes]:
        if j == len(space.parameters):
            yield rows[space.is_valid(rows)]
            return
        if len(rows) > chunk:
            for part in np.array_split(rows, -(-len(rows) // chunk)):
                yield from grown(part, j)
            return
        parameter = space.parameters[j]
        active = np.ones(len(rows), dtype=bool)
        if parameter.parent is not None:
            name, values = parameter.parent
            above = next(i for i, p in enumerate(space.parameters) if p.name == name)
            codes = [space.parameters[above].values.index(value) for value in values]
            active = np.isin(rows[:, above], codes)
        off = rows[~active].copy()
        off[:, j] = INACTIVE
        on = np.repeat(rows[active], len(parameter.values), axis=0)
        on[:, j] = np.tile(np.arange(len(parameter.values)), active.sum())
        yield from grown(np.concatenate([off, on]), j + 1)

    yield from grown(np.full((1, len(space.parameters)), INACTIVE, dtype=np.int32), 0)


def front_of(
    space: Space, evaluate: Callable[[Codes], Floats], objectives: Sequence[Objective]
) -> Floats:
    """The true front, distinct values `k x m`, by looking at everything."""
    best = np.empty((0, len(objectives)))
    for codes in everything(space):
        best = pruned(np.concatenate([best, evaluate(codes)]), objectives)
    return best


def pruned(values: Floats, objectives: Sequence[Objective]) -> Floats:
    """The distinct non-dominated rows of `n x m`, for two or three objectives.

    In the order of the first objective, whatever is not above the staircase of the others so far
    is on the front: one pass (Kung et al. 1975), where comparing all pairs takes minutes.
    """
    signs = np.array([1.0 if o.direction == "min" else -1.0 for o in objectives])
    values = values[np.lexsort((values * signs).T[::-1])]
    below = (
        (values * signs)[:, 1:] if len(signs) == 3 else np.insert(values * signs, 1, 0, 1)[:, 1:]
    )
    ys, zs, kept = [-np.inf], [np.inf], []
    for i, (y, z) in enumerate(below.tolist()):
        at = bisect_right(ys, y)
        if zs[at - 1] <= z:
            continue
        end = at
        while end < len(zs) and zs[end] >= z:
            end += 1
        at -= ys[at - 1] == y
        ys[at:end], zs[at:end] = [y], [z]
        kept.append(i)
    return values[kept]
