"""Columns of a table as parameters.

Numbers are ordered, on the scale on which their values lie most evenly; `true`/`false` are ordered
switches; everything else is a category. A numeric column that is blank exactly where another column
takes certain values is a conditional parameter of that one.

Numbers beside special values (a word such as `auto`, or a blank that no other column explains) are
two parameters: a category `NAME_is`, a number or one of the special values, and the numbers while
it is a number. Fewer than three different numbers, or Booleans, are categories together with the
special values.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from tuner.space.configuration import Value
from tuner.space.contract import INACTIVE, Codes, Parameter

BLANK = ""


NO_VALUE = "(blank)"
NUMBER = "number"

ORDERED = 3
"""Different numbers that stay ordered beside special values."""

Columns = Mapping[str, Sequence[Value]]
Parent = tuple[str, frozenset[Value]]


def parameters_of(columns: Columns) -> tuple[tuple[Parameter, ...], Codes]:
    """The parameters of columns, parents before children, and the codes of all rows `n x p`."""
    parents: dict[str, Parent | None] = {name: _parent(name, columns) for name in columns}
    split: dict[str, Sequence[Value]] = {}
    for name, cells in columns.items():
        if not _is_mixed(cells, parents[name]):
            split[name] = cells
            continue
        words = [_word(v, parents[name]) for v in cells]
        if len({v for v in cells if _is_number(v)}) < ORDERED:
            split[name] = [_text(v) if w is None else w for v, w in zip(cells, words, strict=True)]
            continue
        kind = _free_name(f"{name}_is", columns)
        split[kind] = [NUMBER if w is None else w for w in words]
        split[name] = [v if w is None else BLANK for v, w in zip(cells, words, strict=True)]
        parents[kind], parents[name] = parents[name], (kind, frozenset({NUMBER}))
    names: list[str] = []
    waiting = list(split)
    while waiting:
        ready = [n for n in waiting if (p := parents[n]) is None or p[0] in names]
        names += ready
        waiting = [n for n in waiting if n not in ready]
    parameters, codes = [], []
    for name in names:
        cells = split[name]
        parent = parents[name]
        values = [v for v in cells if parent is None or v != BLANK]
        parameter = _parameter(name, values, parent)
        index = {(type(v) is bool, v): i for i, v in enumerate(parameter.values)}
        codes.append([index.get((type(v) is bool, v), INACTIVE) for v in cells])
        parameters.append(parameter)
    return tuple(parameters), np.array(codes, dtype=np.int32).T.copy()


def _is_mixed(cells: Sequence[Value], parent: Parent | None) -> bool:
    """Whether numbers or Booleans stand beside texts or blanks that no parent explains."""
    kinds = {isinstance(v, str) for v in cells if parent is None or v != BLANK}
    return len(kinds) == 2


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _word(value: Value, parent: Parent | None) -> str | None:
    """The special value that a cell has; None for a number or a Boolean."""
    if not isinstance(value, str):
        return None
    return NO_VALUE if value == BLANK and parent is None else value


def _text(value: Value) -> str:
    """A number or a Boolean among categories."""
    return str(value).lower() if isinstance(value, bool) else f"{value:.15g}"


def _free_name(name: str, columns: Columns) -> str:
    while name in columns:
        name += "_"
    return name


def _parent(
    name: str, columns: Mapping[str, Sequence[Value]]
) -> tuple[str, frozenset[Value]] | None:
    """The full column whose values say where `name` is blank, if it is blank anywhere."""
    cells = columns[name]
    if all(v != BLANK for v in cells) or all(isinstance(v, str) for v in cells):
        return None
    for other, others in columns.items():
        if other == name or any(v == BLANK for v in others) or _is_mixed(others, None):
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
