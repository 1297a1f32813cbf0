"""What every meter is: something that is started, stopped, and then says how many joules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from tuner.measure.measurement import EnergySource


@dataclass(frozen=True)
class Reading:
    """What a meter saw between start and stop.

    Attributes:
        seconds: length of the window, from a monotonic clock.
        joules: energy in it; None where the meter failed, never 0 instead.
        quantisation_rel: largest relative error that the meter's ticks can cause.
        problems: sentences on what makes the figure doubtful.
        details: what else was seen, for instance temperature.

    """

    seconds: float
    joules: float | None
    quantisation_rel: float
    problems: tuple[str, ...] = ()
    details: Mapping[str, float] = field(default_factory=dict)


class Meter(Protocol):
    """Measures the energy of windows, one after another.

    Attributes:
        source: what kind of meter it is; `estimated` for a model in place of one.
        scope: what is metered.
        parameters: numbers of the model behind an estimate, or facts such as the tick's length.

    """

    source: EnergySource
    scope: str
    parameters: Mapping[str, float]

    def start(self) -> None:
        """Open a window; may wait for the meter's next tick."""

    def stop(self) -> Reading:
        """Close the window."""

    def power_limits(self) -> tuple[float, float] | None:
        """Lowest and highest power in watts that are plausible; None where unknown."""

    def close(self) -> None:
        """Let go of what the meter holds."""


@dataclass(frozen=True)
class MeterStatus:
    """Whether a kind of meter can be used here.

    Attributes:
        name: of the kind of meter.
        available: whether it gave a reading.
        detail: what there is, or why there is nothing.
        remedy: what would make it available; empty where it is, or where nothing would.

    """

    name: str
    available: bool
    detail: str
    remedy: str = ""
