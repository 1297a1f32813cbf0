"""What an engine is asked: requests, their lengths and when they arrive."""

from tuner.workloads.bins import Bin, Corner, Grid, binned_requests, bins, drawn_requests, sample
from tuner.workloads.energy import Measured, WorkloadEnergy, workload_energy
from tuner.workloads.prompt_synthesis import (
    Calibration,
    Count,
    Fill,
    calibrate,
    estimated_fill,
    exact_fill,
)
from tuner.workloads.prompts import read_prompts
from tuner.workloads.request import Request, Work
from tuner.workloads.trace import Trace, read_trace
from tuner.workloads.workload import Workload, filled
from tuner.workloads.workload_files import read_lengths, read_workload

__all__ = [
    "Bin",
    "Calibration",
    "Corner",
    "Count",
    "Fill",
    "Grid",
    "Measured",
    "Request",
    "Trace",
    "Work",
    "Workload",
    "WorkloadEnergy",
    "binned_requests",
    "bins",
    "calibrate",
    "drawn_requests",
    "estimated_fill",
    "exact_fill",
    "filled",
    "read_lengths",
    "read_prompts",
    "read_trace",
    "read_workload",
    "sample",
    "workload_energy",
]
