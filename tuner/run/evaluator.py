"""What measures the configurations of a study, and what it may read of the study."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tuner.measure import KeepGoing, Measurement, Window
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

    def measure(
        self, configuration: Configuration, number: int, keep_going: KeepGoing | None = None
    ) -> Measurement:
        """Measure one configuration; the trial's number decides the seeds of sampled answers.

        Raises `InterruptedRun` where `keep_going` said no before anything was known.
        """

    def window(
        self,
        configuration: Configuration,
        block: int,
        seconds: float,
        keep_going: KeepGoing | None = None,
    ) -> Window:
        """Measure a configuration for about so many seconds, as its part of a block.

        Seeds of sampled answers are those of the block, which the search never used. Raises
        `InterruptedRun` where `keep_going` said no.
        """

    def combined(self, configuration: Configuration, windows: Sequence[Window]) -> Measurement:
        """What windows of one configuration give together."""

    def window_seconds(self, configuration: Configuration, seconds: float) -> float:
        """How long a window of about so many seconds takes, all that it needs included."""
