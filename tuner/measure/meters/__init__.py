"""Energy meters: the best ones that work here, and why the others do not."""

from tuner.measure.meters.choose import best_meter, probe_meters
from tuner.measure.meters.combined import CombinedMeter, together
from tuner.measure.meters.cpu_time import WATTS_PER_CORE, CpuTimeMeter, cpu_seconds, process_tree
from tuner.measure.meters.meter import Meter, MeterStatus, Reading, read_window
from tuner.measure.meters.rapl import RaplMeter

__all__ = [
    "WATTS_PER_CORE",
    "CombinedMeter",
    "CpuTimeMeter",
    "Meter",
    "MeterStatus",
    "RaplMeter",
    "Reading",
    "best_meter",
    "cpu_seconds",
    "probe_meters",
    "process_tree",
    "read_window",
    "together",
]
