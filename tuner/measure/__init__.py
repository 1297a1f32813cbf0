"""What one measurement is: metrics and their definitions, meters, protocol, validity."""

from tuner.measure.dominance import Dominated, dominated_by
from tuner.measure.drift import Reference, corrected, correction
from tuner.measure.engine_protocol import Completion, Engine, EngineFailure
from tuner.measure.in_force import InForce
from tuner.measure.measurement import (
    Cause,
    EnergyPart,
    EnergyProvenance,
    EnergySource,
    Failure,
    Measurement,
    Metric,
    Validity,
)
from tuner.measure.measurement_protocol import MeasurementProtocol
from tuner.measure.measuring import measure, measure_interleaved
from tuner.measure.memory import Memory
from tuner.measure.metering import Metering
from tuner.measure.meters import (
    CombinedMeter,
    Meter,
    MeterStatus,
    Reading,
    best_meter,
    probe_meters,
)
from tuner.measure.phase import (
    CommandRounds,
    CommandRun,
    DriftReference,
    Grading,
    IdlePower,
    InterleavedRound,
    Loading,
    OnPhase,
    Phase,
    Repeat,
    WarmUp,
)
from tuner.measure.statistics import Ratio, accuracy_difference, compare, wilson

__all__ = [
    "Cause",
    "CombinedMeter",
    "CommandRounds",
    "CommandRun",
    "Completion",
    "Dominated",
    "DriftReference",
    "EnergyPart",
    "EnergyProvenance",
    "EnergySource",
    "Engine",
    "EngineFailure",
    "Failure",
    "Grading",
    "IdlePower",
    "InForce",
    "InterleavedRound",
    "Loading",
    "Measurement",
    "MeasurementProtocol",
    "Memory",
    "Meter",
    "MeterStatus",
    "Metering",
    "Metric",
    "OnPhase",
    "Phase",
    "Ratio",
    "Reading",
    "Reference",
    "Repeat",
    "Validity",
    "WarmUp",
    "accuracy_difference",
    "best_meter",
    "compare",
    "corrected",
    "correction",
    "dominated_by",
    "measure",
    "measure_interleaved",
    "probe_meters",
    "wilson",
]
