"""Measures configurations by a command of the user's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tuner.measure import CommandRounds, CommandRun, Measurement
from tuner.run.evaluator import TrialHistory
from tuner.space import Configuration
from tuner.study import Observer, PhaseStarted

if TYPE_CHECKING:
    from tuner.engines import CommandEngine


class CommandEvaluator:
    """Runs the command; it takes the measurements itself."""

    def __init__(self, engine: CommandEngine, history: TrialHistory, observe: Observer) -> None:
        self._engine = engine
        self._history = history
        self._observe = observe

    def measure(self, configuration: Configuration, number: int) -> Measurement:
        """Run the command for one configuration."""
        self._observe(PhaseStarted(CommandRun()))
        return self._engine.measure(self._history.space.arguments(configuration))

    def measure_again(
        self, configurations: Sequence[Configuration], rounds: int
    ) -> dict[Configuration, Measurement]:
        """Run the command for all configurations in every round."""
        self._observe(PhaseStarted(CommandRounds(rounds)))
        arguments = [self._history.space.arguments(c) for c in configurations]
        measured = self._engine.measure_interleaved(arguments, rounds)
        return dict(zip(configurations, measured, strict=True))

    def seconds_of_rounds(self, configurations: Sequence[Configuration], rounds: int) -> float:
        """As long as the trials took."""
        seconds = {
            record.configuration: record.measurement.seconds / _runs(record.measurement)
            for record in self._history.complete
            if record.measurement is not None
        }
        return rounds * sum(seconds[c] for c in configurations)


def _runs(measurement: Measurement) -> int:
    return max((len(metric.repeats) for metric in measurement.metrics.values()), default=1) or 1
