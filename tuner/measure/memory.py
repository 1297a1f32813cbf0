"""What the measurements of a study teach the ones after them."""

from __future__ import annotations

from collections.abc import Iterable

from tuner.measure.answers import Answers
from tuner.measure.measurement import Measurement
from tuner.measure.noise import Noise


class Memory:
    """Kept through a study of one work under one protocol, and given to each `measure`.

    Attributes:
        noise: of repeats. After a restart it is learned again from the measurements kept.
        answers: graded before; gone after a restart, and then simply graded again.

    """

    def __init__(self, measurements: Iterable[Measurement] = ()) -> None:
        self.noise = Noise()
        self.answers = Answers()
        for measurement in measurements:
            self.noise.learn(measurement.metrics)
