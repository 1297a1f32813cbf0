"""Parameters of a table as Optuna's distributions: numbers are ranges, whatever their values."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from tuner.space.contract import Parameter

if TYPE_CHECKING:
    import optuna


def distribution(parameter: Parameter) -> optuna.distributions.BaseDistribution:
    """A range of numbers, logarithmic where they lie so, or the categories."""
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


def suggested(trial: optuna.trial.BaseTrial, parameter: Parameter) -> int:
    """The code of the value nearest to what a trial suggests for one parameter."""
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
