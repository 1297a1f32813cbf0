"""GPU clocks and power limit: what can be set, setting it, and setting it back whatever happens."""

from tuner.hardware.control import GpuControl, HardwareRefused
from tuner.hardware.gpus import GpuLimits, domains, may_control, supported
from tuner.hardware.journal import SETTINGS, Journal
from tuner.hardware.recovery import left_over, restore, under_control

__all__ = [
    "SETTINGS",
    "GpuControl",
    "GpuLimits",
    "HardwareRefused",
    "Journal",
    "domains",
    "left_over",
    "may_control",
    "restore",
    "supported",
    "under_control",
]
