"""Seeing in a running study that the machine drifts, and taking it out of what is measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol

from tuner.measure import Measurement
from tuner.measure.drift import Reference, corrected, correction
from tuner.measure.statistics import Ratio

EVERY_S = 60.0
"""Seconds between two references at least."""
SHARE = 20.0
"""And so many times what a reference takes: they cost no more than its inverse of a study."""
SMALL = 0.05
"""A drift that may be smaller than this share is left in: correcting would only add noise."""
LARGE = 1.25
"""A drift by more than this factor, either way, is no drift but another machine: something else
is at work, which slows configurations differently. Nothing is corrected then."""
TIME, ENERGY = "mean_e2el_ms", "joules_per_request"
"""What the drift of times and of energies is read from."""
_DRIFTS: Mapping[str, tuple[str, bool]] = {
    "ms": (TIME, False),
    "s": (TIME, False),
    "req/s": (TIME, True),
    "tok/s": (TIME, True),
    "J": (ENERGY, False),
    "J/tok": (ENERGY, False),
}
"""By unit: which drift, and whether the metric falls where that rises."""


class Timed(Protocol):
    """Something that goes on."""

    @property
    def elapsed(self) -> float:
        """Seconds since it began."""


class DriftCorrection:
    """The default measured briefly now and then, always by the same requests.

    Args:
        clock: what goes on meanwhile.
        refer: measures the default briefly.

    """

    def __init__(self, clock: Timed, refer: Callable[[], Measurement]) -> None:
        self._clock = clock
        self._refer = refer
        self._references: list[Reference] = []
        self._next_s = 0.0

    def refresh(self) -> None:
        """Measure the default where the last time is long enough ago."""
        now = self._clock.elapsed
        if now < self._next_s:
            return
        measurement = self._refer()
        took = self._clock.elapsed - now
        self._next_s = now + took + max(EVERY_S, SHARE * took)
        if measurement.failure is None:
            self._references.append(Reference(now + took / 2, measurement))

    def correct(self, measurement: Measurement, at_s: float) -> Measurement:
        """The measurement as it would have been when the default was first measured.

        Only times and energies change, and only where the drift is beyond doubt; then the
        measurement says so. Where it is large, nothing is changed and the measurement is suspect.
        """
        ratios = {name: self._ratio(name, at_s) for name in (TIME, ENERGY)}
        if measurement.validity == "invalid" or not any(ratios.values()):
            return measurement
        large = {n: r for n, r in ratios.items() if r and not 1 / LARGE <= r.value <= LARGE}
        if large:
            words = ", ".join(f"{name} {r.value:.3g} times" for name, r in large.items())
            reason = f"the machine was another one than at first: the default had {words} as much"
            return replace(measurement, validity="suspect", reasons=(*measurement.reasons, reason))
        metrics = dict(measurement.metrics)
        for name, metric in metrics.items():
            drift, falls = _DRIFTS.get(metric.unit, ("", False))
            ratio = ratios.get(drift)
            if ratio is not None:
                by = Ratio(1 / ratio.value, 1 / ratio.high, 1 / ratio.low) if falls else ratio
                metrics[name] = corrected(metric, by)
        words = ", ".join(f"{n} by {r.value:.3f}" for n, r in ratios.items() if r is not None)
        note = f"drift of the machine taken out: divided {words}"
        return replace(measurement, metrics=metrics, notes=(*measurement.notes, note))

    def _ratio(self, name: str, at_s: float) -> Ratio | None:
        ratio = correction(self._references, name, at_s)
        if ratio is None or (ratio.low <= 1 + SMALL and ratio.high >= 1 - SMALL):
            return None
        return ratio
