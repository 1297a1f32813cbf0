"""Columns of a table as parameters.

Numbers are ordered, on the scale on which their values lie most evenly; `true`/`false` are ordered
switches; everything else is a category. A numeric column that is blank exactly where another column
takes certain values is a conditional parameter of that one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from tuner.space.configuration import Value
from tuner.space.contract import INACTIVE, Codes, Parameter

BLANK = ""


def parameters_of(columns: Mapping[str, Sequence[Value]]) -> tuple[tuple[Parameter, ...], Codes]:
    """One parameter a column, parents before children, and the codes of all rows `n x p`."""
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
