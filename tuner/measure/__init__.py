"""What one measurement is: metrics and their definitions, meters, protocol, validity."""

from tuner.measure.engine import Completion, Engine, EngineFailure
from tuner.measure.measurement import (
    Cause,
    EnergyProvenance,
    EnergySource,
    Failure,
    Measurement,
    Metric,
    Validity,
)

__all__ = [
    "Cause",
    "Completion",
    "EnergyProvenance",
    "EnergySource",
    "Engine",
    "EngineFailure",
    "Failure",
    "Measurement",
    "Metric",
    "Validity",
]
