"""What measures the configurations of a study, and what it may read of the study."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tuner.measure import Measurement
from tuner.search import Objective
from tuner.space import Configuration, Space
from tuner.study.records import Record


class TrialHistory(Protocol):
    """The trials so far: of a study, or of a comparison of samplers."""

    @property
    def space(self) -> Space:
        """The space of the configurations."""

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """What is improved."""

    @property
    def outputs(self) -> tuple[Objective, ...]:
        """The objectives, and the metrics that service levels are on."""

    @property
    def complete(self) -> list[Record]:
        """The trials with objective values."""

    @property
    def elapsed(self) -> float:
        """Seconds spent, those before a resumption included."""


class Evaluator(Protocol):
    """Measures configurations of a study."""

    def measure(self, configuration: Configuration, number: int) -> Measurement:
        """Measure one configuration; the trial's number decides the seeds of sampled answers."""

    def measure_again(
        self, configurations: Sequence[Configuration], rounds: int
    ) -> dict[Configuration, Measurement]:
        """Measure configurations in interleaved rounds, with seeds that the search never used."""

    def seconds_of_rounds(self, configurations: Sequence[Configuration], rounds: int) -> float:
        """How long `measure_again` takes, judged by the trials; of measured configurations."""
