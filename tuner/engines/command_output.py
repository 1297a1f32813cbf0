"""Metrics that a command has told, and what its repeats say together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from tuner.measure.engine_protocol import EngineFailure
from tuner.measure.measurement import EnergySource, Metric
from tuner.measure.statistics import Z_95, estimate_mean
from tuner.metrics import METRICS, is_energy_unit


@dataclass(frozen=True)
class Quantity:
    """One metric of one run.

    Attributes:
        repeats: its values, at least one.
        sem: the standard error of their mean, where the command knows it.
        unit: as told or as known.

    """

    repeats: tuple[float, ...]
    sem: float | None
    unit: str


@dataclass(frozen=True)
class CommandOutput:
    """What one run of a command has told.

    Attributes:
        quantities: by name.
        energy_source: the meter behind joules; None where it was not told.
        details: what is no metric.

    """

    quantities: Mapping[str, Quantity]
    energy_source: EnergySource | None
    details: Mapping[str, Any]


def read_command_output(content: Mapping[str, Any]) -> CommandOutput:
    """Read the JSON object of a command.

    Raises:
        EngineFailure: `wrong_output` for what is no metric.
    """
    source = content.get("energy_source")
    if source is not None and source not in get_args(EnergySource):
        known = ", ".join(get_args(EnergySource))
        raise EngineFailure("wrong_output", f"energy_source {source!r} is none of {known}")
    quantities, details = {}, {}
    for name, value in content.items():
        if name == "energy_source" or value is None:
            continue
        if isinstance(value, bool | str | list):
            details[name] = value
        else:
            quantities[name] = _quantity(name, value)
    if not quantities:
        raise EngineFailure("wrong_output", "the command told no metric")
    return CommandOutput(quantities, source, details)


def combined(told: Sequence[CommandOutput]) -> dict[str, Metric]:
    """The metrics that all runs have told; every run is a repeat, or several.

    Raises:
        EngineFailure: `wrong_output` where the runs have none in common.
    """
    metrics = {}
    for name, first in told[0].quantities.items():
        if all(name in one.quantities for one in told):
            runs = [one.quantities[name] for one in told]
            source = told[0].energy_source if is_energy_unit(first.unit) else None
            metrics[name] = _metric(runs, first.unit, source or "command")
    if not metrics:
        raise EngineFailure("wrong_output", "the runs of the command told different metrics")
    return metrics


def _metric(runs: Sequence[Quantity], unit: str, source: str) -> Metric:
    values = [value for run in runs for value in run.repeats]
    estimate = estimate_mean(values)
    sem, low, high = estimate.sem, estimate.low, estimate.high
    if len(runs) == 1 and runs[0].sem is not None:
        sem = runs[0].sem
        low, high = estimate.value - Z_95 * sem, estimate.value + Z_95 * sem
    return Metric(
        value=estimate.value,
        unit=unit,
        low=low,
        high=high,
        sem=sem,
        n=len(values),
        source=source,
        repeats=tuple(values),
    )


def _quantity(name: str, value: Any) -> Quantity:
    entry = value if isinstance(value, dict) else {"value": value}
    unit = entry.get("unit")
    known = METRICS[name].unit if name in METRICS else None
    if unit is not None and known is not None and unit != known:
        raise EngineFailure("wrong_output", f"{name} has to be in {known}, not in {unit}")
    repeats = entry.get("repeats") or [entry.get("value")]
    if not isinstance(repeats, list):
        raise EngineFailure("wrong_output", f"the repeats of {name} are no list")
    values = tuple(_number(name, repeat) for repeat in repeats)
    sem = entry.get("sem")
    return Quantity(values, None if sem is None else _number(name, sem), known or unit or "1")


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise EngineFailure("wrong_output", f"{name} is told as {value!r}, which is no number")
    return float(value)
