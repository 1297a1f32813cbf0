"""What an engine is asked: requests, their lengths and when they arrive."""

from tuner.workloads.request import Request, Work

__all__ = ["Request", "Work"]
