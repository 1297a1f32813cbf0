"""What every meter is: something that is started, stopped, and then says how many joules."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from tuner.measure.measurement import EnergyPart


@dataclass(frozen=True)
class Reading:
    """What a meter saw between start and stop.

    Attributes:
        seconds: length of the window, from a monotonic clock.
        joules: energy in it; None where the meter failed, never 0 instead.
        quantisation_rel: largest relative error that the meter's ticks can cause.
        problems: sentences on what makes the figure doubtful.
        details: what else was seen, for instance temperature.
        parts: joules of each scope where several were read; they add up to `joules`.

    """

    seconds: float
    joules: float | None
    quantisation_rel: float
    problems: tuple[str, ...] = ()
    details: Mapping[str, float] = field(default_factory=dict)
    parts: tuple[EnergyPart, ...] = ()


class Meter(Protocol):
    """Measures the energy of windows, one after another.

    `MeterContract` in `tests/measure/meter_contract.py` tests what is promised here.
    """

    @property
    def source(self) -> str:
        """What kind of meter it is, in a word; `estimated` for a model in place of one."""

    @property
    def scope(self) -> str:
        """What is metered, for instance `gpu:GPU-1234`; several are separated by `, `."""

    @property
    def parameters(self) -> Mapping[str, float]:
        """Numbers of the model behind an estimate, or facts such as the tick's length."""

    def start(self) -> None:
        """Open a window; may wait for the meter's next tick.

        Does not raise where the meter cannot be read: `stop` says so then.
        """

    def stop(self) -> Reading:
        """Close the window. A meter that failed gives a reading without joules, and the reason."""

    def power_limits(self) -> tuple[float, float] | None:
        """Lowest and highest power in watts that are plausible; None where unknown."""

    def close(self) -> None:
        """Release what the meter holds; it is not used afterwards."""


def read_window(meter: Meter) -> Reading:
    """Stop a meter; joules that no window can have used are left out, and the reason is added.

    A counter that did not move is one: its tick is longer than the window.
    """
    reading = meter.stop()
    if reading.joules is None or (math.isfinite(reading.joules) and reading.joules > 0):
        return reading
    problem = f"{meter.scope} ({meter.source}) read {reading.joules:g} J, which is no energy"
    return replace(reading, joules=None, problems=(*reading.problems, problem))


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
