"""The parameters of a feature model as Optuna's distributions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tuner.features import index_of
from tuner.space.contract import INACTIVE, Codes, Parameter

if TYPE_CHECKING:
    import optuna


def distribution(parameter: Parameter) -> optuna.distributions.BaseDistribution:
    """The distribution over exactly the values of a parameter.

    Evenly spaced numbers are an Int or Float distribution with a step; everything else, and every
    number whose spacing Optuna can't say, is categorical over the values in their order.
    """
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    values = parameter.values
    numeric = parameter.kind == "ordered" and not isinstance(values[0], bool) and len(values) > 1
    if numeric:
        low, step = values[0], values[1] - values[0]  # type: ignore[operator]
        even = [low + i * step for i in range(len(values))]  # type: ignore[operator]
        if all(math.isclose(a, b, rel_tol=1e-9) for a, b in zip(even, values, strict=True)):  # type: ignore[arg-type]
            if all(isinstance(value, int) for value in values):
                return IntDistribution(int(low), int(values[-1]), step=int(step))
            step = float(f"{step:.12g}")
            return FloatDistribution(float(low), float(f"{values[-1]:.12g}"), step=step)
    return CategoricalDistribution(values)


def suggested(parameters: Sequence[Parameter], trial: optuna.trial.BaseTrial) -> Codes:
    """The codes that a trial suggests; inactive parameters are not suggested."""
    row = np.full(len(parameters), INACTIVE, dtype=np.int32)
    index = {p.name: i for i, p in enumerate(parameters)}
    for i, p in enumerate(parameters):
        if p.parent is not None:
            above = index[p.parent[0]]
            if row[above] == INACTIVE or parameters[above].values[row[above]] not in p.parent[1]:
                continue
        row[i] = _code(p, _ask(p, trial))
    return row


def _ask(parameter: Parameter, trial: optuna.trial.BaseTrial) -> object:
    found: Any = distribution(parameter)
    name = parameter.name
    if type(found).__name__ == "CategoricalDistribution":
        return trial.suggest_categorical(name, parameter.values)
    if type(found).__name__ == "IntDistribution":
        return trial.suggest_int(name, found.low, found.high, step=found.step)
    return trial.suggest_float(name, found.low, found.high, step=found.step)


def _code(parameter: Parameter, value: object) -> int:
    """The index of a value; for a number that Optuna rounded, of the nearest one."""
    found = index_of(parameter.values, value)
    if found is not None:
        return found
    numbers = [float(v) for v in parameter.values]
    return min(range(len(numbers)), key=lambda i: abs(numbers[i] - float(value)))  # type: ignore[arg-type]
