"""What a study remembers of one trial."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from tuner.measure import Measurement
from tuner.space import Configuration

State = Literal["complete", "pruned", "failed", "interrupted"]


@dataclass(frozen=True)
class Record:
    """One finished trial of a study.

    Attributes:
        number: the trial's number in the study, from 0.
        configuration: what was measured.
        state: `complete`; `pruned` where the measurement was ended early, beyond the limits of
            interest, and all that is known are `measurement.bounds`; `failed` with the cause in
            `measurement.failure`; `interrupted` where it ended before there was an outcome.
        measurement: what came of it; None only where the trial was interrupted.
        values: the objectives in the study's order; empty unless complete.
        ask_seconds: how long the proposal took.
    """

    number: int
    configuration: Configuration
    state: State
    measurement: Measurement | None
    values: tuple[float, ...]
    ask_seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types: configuration, metrics with unit and interval, state and cause."""
        measurement = self.measurement
        return {
            "number": self.number,
            "state": self.state,
            "configuration": dict(self.configuration),
            "metrics": metrics_dict(measurement) if measurement else {},
            "validity": measurement.validity if measurement else None,
            "reasons": list(measurement.reasons) if measurement else [],
            "notes": list(measurement.notes) if measurement else [],
            "bounds": dict(measurement.bounds) if measurement else {},
            "failure": failure_dict(measurement),
            "seconds": measurement.seconds if measurement else None,
        }


def metrics_dict(measurement: Measurement) -> dict[str, dict[str, Any]]:
    """Each metric with value, unit, 95 % interval and source; energies with their provenance."""
    out: dict[str, dict[str, Any]] = {}
    for name, metric in measurement.metrics.items():
        entry: dict[str, Any] = {
            "value": metric.value,
            "unit": metric.unit,
            "low": metric.low,
            "high": metric.high,
            "repeats": metric.n,
            "source": metric.source,
        }
        if measurement.energy is not None and metric.source == measurement.energy.energy_source:
            entry |= {
                "energy_source": measurement.energy.energy_source,
                "energy_scope": measurement.energy.energy_scope,
                "energy_quantisation_rel": measurement.energy.energy_quantisation_rel,
                "window_s": measurement.energy.window_s,
            }
            if len(parts := measurement.energy.parts) > 1:
                entry["energy_parts"] = [asdict(part) for part in parts]
        out[name] = entry
    return out


def failure_dict(measurement: Measurement | None) -> Mapping[str, str] | None:
    """Cause and message of a failure, or None."""
    if measurement is None or measurement.failure is None:
        return None
    return {"cause": measurement.failure.cause, "message": measurement.failure.message}
