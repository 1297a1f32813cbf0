"""The meter of an engine, and its idle power, kept between measurements by whoever makes them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Self

from tuner.measure.engine_protocol import Engine
from tuner.measure.measurement import EnergyPart, EnergyProvenance
from tuner.measure.measurement_protocol import MeasurementProtocol
from tuner.measure.meters import Meter, Reading, best_meter, read_window, together
from tuner.measure.phase import IdlePower, OnPhase

_IDLE_HOLDS_S = 3600.0


class Metering:
    """Gives the meter for what an engine runs on, and remembers the power of the idle machine.

    One object serves one engine for as long as it lives, and is then closed.

    Args:
        meters: read together in every window, in place of the choice of `best_meter`. They stay
            open: who made them closes them.

    Raises:
        UserError: the meters do not go together (see `CombinedMeter`).

    """

    def __init__(self, meters: Sequence[Meter] = ()) -> None:
        self._given = together(meters) if meters else None
        self._chosen: Meter | None = None
        self._chosen_for: tuple[str, ...] = ()
        self._idle_watts: float | None = None
        self._idle_of = ""
        self._idle_until = 0.0

    def meter_for(self, engine: Engine, protocol: MeasurementProtocol) -> Meter:
        """The meter for what the engine runs on now; another one where that has changed."""
        if self._given is not None:
            return self._given
        gpus = engine.in_force.gpus
        wanted = (engine.device, str(protocol.watts_per_core), *gpus)
        if self._chosen is None or self._chosen_for != wanted:
            self.close()
            self._chosen = best_meter(
                lambda: engine.pids, engine.device, gpus, protocol.watts_per_core
            )
            self._chosen_for, self._idle_until = wanted, 0.0
        return self._chosen

    def idle_watts(
        self, engine: Engine, protocol: MeasurementProtocol, on_phase: OnPhase = lambda phase: None
    ) -> float | None:
        """Power in watts with the model loaded and nothing to do; metered once an hour and model.

        None where the meter cannot see it, or `protocol.idle_seconds` is 0.
        """
        meter = self.meter_for(engine, protocol)
        if meter.source == "estimated" or protocol.idle_seconds <= 0:
            return None
        model = engine.in_force.model_asked
        if self._idle_of != model or time.monotonic() > self._idle_until:
            on_phase(IdlePower())
            meter.start()
            time.sleep(protocol.idle_seconds)
            reading = read_window(meter)
            self._idle_watts = None if reading.joules is None else reading.joules / reading.seconds
            self._idle_of, self._idle_until = model, time.monotonic() + _IDLE_HOLDS_S
        return self._idle_watts

    def sees_energy_of(self, engine: Engine) -> bool:
        """Whether any meter, or at least an estimate, covers what the engine runs on."""
        return self._given is not None or engine.device != "elsewhere"

    def close(self) -> None:
        """Close the meter that was chosen here; the next measurement opens another."""
        if self._chosen is not None:
            self._chosen.close()
            self._chosen = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def provenance_of(meter: Meter, readings: Sequence[Reading]) -> EnergyProvenance:
    """Where the joules of the windows come from; at least one window has any."""
    windows = [
        reading.parts or (EnergyPart(meter.scope, meter.source, reading.joules),)
        for reading in readings
        if reading.joules is not None
    ]
    return EnergyProvenance(
        energy_source=meter.source,
        energy_scope=meter.scope,
        energy_quantisation_rel=max(reading.quantisation_rel for reading in readings),
        window_s=statistics.fmean(reading.seconds for reading in readings),
        parameters=dict(meter.parameters),
        parts=tuple(
            replace(same[0], joules=statistics.fmean(part.joules or 0.0 for part in same))
            for same in zip(*windows, strict=True)
        ),
    )
