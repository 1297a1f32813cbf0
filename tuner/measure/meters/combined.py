"""Several meters over the same window."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence

from tuner.errors import UserError
from tuner.measure.measurement import EnergyPart
from tuner.measure.meters.meter import Meter, Reading, read_window


class CombinedMeter:
    """Reads several meters over the same window and adds their joules.

    It is meant for scopes that are apart, for instance GPU boards and CPU packages. The reading
    keeps the joules of each scope in `parts`. Where one meter fails there is no sum, since a sum
    of fewer parts would look like a saving.

    The meters are started in the order given and stopped in the opposite one. A meter that waits
    for its tick makes the windows of those before it longer; `quantisation_rel` covers that.

    Args:
        meters: at least one, of different scopes; one that waits for a tick goes first.

    Raises:
        UserError: a scope is metered twice, or some joules are measured and others estimated.

    """

    def __init__(self, meters: Sequence[Meter]) -> None:
        _check(meters)
        self._meters = tuple(meters)
        self.source = "+".join(dict.fromkeys(meter.source for meter in meters))
        self.scope = " + ".join(meter.scope for meter in meters)
        self.parameters: Mapping[str, float] = {
            f"{meter.source}.{name}": value
            for meter in meters
            for name, value in meter.parameters.items()
        }
        self._began = 0.0

    def start(self) -> None:
        """Start all meters; the common window begins when the last one has started."""
        for meter in self._meters:
            meter.start()
        self._began = time.perf_counter()

    def stop(self) -> Reading:
        """Stop all meters and add what they read; the common window ends with the first stop."""
        seconds = time.perf_counter() - self._began
        readings = [read_window(meter) for meter in reversed(self._meters)][::-1]
        parts = tuple(
            EnergyPart(meter.scope, meter.source, reading.joules)
            for meter, reading in zip(self._meters, readings, strict=True)
        )
        problems = tuple(dict.fromkeys(p for reading in readings for p in reading.problems))
        details = {name: value for r in readings for name, value in r.details.items()}
        joules = wrong_by = 0.0
        for reading in readings:
            if reading.joules is None:
                return Reading(seconds, None, 0.0, problems, details, parts)
            longer = max(0.0, reading.seconds / max(seconds, 1e-9) - 1.0)
            joules += reading.joules
            wrong_by += (reading.quantisation_rel + longer) * reading.joules
        return Reading(seconds, joules, min(1.0, wrong_by / joules), problems, details, parts)

    def power_limits(self) -> tuple[float, float] | None:
        """The sums of the meters' limits; None where one of them knows none."""
        limits = [meter.power_limits() for meter in self._meters]
        known = [pair for pair in limits if pair is not None]
        if len(known) < len(limits):
            return None
        return sum(low for low, _ in known), sum(high for _, high in known)

    def close(self) -> None:
        """Close all meters."""
        for meter in self._meters:
            meter.close()


def together(meters: Sequence[Meter]) -> Meter:
    """One meter for several, or the only one. Raises `UserError` as `CombinedMeter` does."""
    return meters[0] if len(meters) == 1 else CombinedMeter(meters)


def _check(meters: Sequence[Meter]) -> None:
    if not meters:
        raise UserError("there is no meter to combine; give at least one")
    if len({meter.source == "estimated" for meter in meters}) > 1:
        guess = next(meter.scope for meter in meters if meter.source == "estimated")
        raise UserError(
            f"the energy of {guess} is an estimate and cannot be added to what other meters "
            "measure; give meters that all measure, or estimates only."
        )
    scopes = Counter(scope for meter in meters for scope in meter.scope.split(", "))
    scope, times = scopes.most_common(1)[0]
    if times > 1:
        raise UserError(f"two meters read {scope}, whose energy would count twice; give one.")
