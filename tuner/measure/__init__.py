"""What one measurement is: metrics and their definitions, meters, protocol, validity."""

from tuner.measure.dominance import Dominated, EarlyEnd, Limit, dominated_by
from tuner.measure.drift import Reference, corrected, correction
from tuner.measure.engine_protocol import (
    Completion,
    Engine,
    EngineFailure,
    InterruptedRun,
    KeepGoing,
)
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
from tuner.measure.measuring import measure
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
    CommandRun,
    DriftReference,
    Grading,
    IdlePower,
    Loading,
    OnPhase,
    Phase,
    Repeat,
    VerificationBlock,
    WarmUp,
)
from tuner.measure.statistics import Ratio, accuracy_difference, compare, wilson
from tuner.measure.window import TurnTaking, Window, combined

__all__ = [
    "Cause",
    "CombinedMeter",
    "CommandRun",
    "Completion",
    "Dominated",
    "DriftReference",
    "EarlyEnd",
    "EnergyPart",
    "EnergyProvenance",
    "EnergySource",
    "Engine",
    "EngineFailure",
    "Failure",
    "Grading",
    "IdlePower",
    "InForce",
    "InterruptedRun",
    "KeepGoing",
    "Limit",
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
    "TurnTaking",
    "Validity",
    "VerificationBlock",
    "WarmUp",
    "Window",
    "accuracy_difference",
    "best_meter",
    "combined",
    "compare",
    "corrected",
    "correction",
    "dominated_by",
    "measure",
    "probe_meters",
    "wilson",
]
