"""What the measurements of a study teach the ones after them."""

from __future__ import annotations

from collections.abc import Iterable

from tuner.measure.answers import Answers
from tuner.measure.measurement import Measurement
from tuner.measure.pooled_variance import PooledVariance


class Memory:
    """Kept through a study of one work under one protocol, and given to each `measure`.

    Attributes:
        pooled_variance: of repeats. After a restart it is learned again from the measurements kept.
        answers: graded before; gone after a restart, and then simply graded again.
        energy_source: of the first measurement that has energy; None before there is one.

    """

    def __init__(self, measurements: Iterable[Measurement] = ()) -> None:
        self.pooled_variance = PooledVariance()
        self.answers = Answers()
        self.energy_source: str | None = None
        for measurement in measurements:
            self.pooled_variance.learn(measurement.metrics)
            self.learn_energy(measurement)

    def learn_energy(self, measurement: Measurement) -> None:
        """Note where the energy comes from, the first time there is any."""
        if self.energy_source is None and measurement.energy is not None:
            self.energy_source = measurement.energy.energy_source

    def incomparable_energy(self, source: str) -> str:
        """Why energy of this source must not stand beside that of before; empty where it may.

        What a meter measures and what a model of the CPU estimates are never compared.
        """
        known = self.energy_source
        if known is None or (known == "estimated") == (source == "estimated"):
            return ""
        now, before = (
            "estimated" if one == "estimated" else f"measured ({one})" for one in (source, known)
        )
        return f"energy is {now} here and was {before} before: the two are not compared"
