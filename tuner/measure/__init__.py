"""What one measurement is: metrics and their definitions, meters, protocol, validity."""

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
    "EnergyProvenance",
    "EnergySource",
    "Failure",
    "Measurement",
    "Metric",
    "Validity",
]
