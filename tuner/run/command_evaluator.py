"""Measures configurations by a command of the user's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tuner.measure import CommandRun, KeepGoing, Measurement, Window, combined
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

    def measure(
        self, configuration: Configuration, number: int, keep_going: KeepGoing | None = None
    ) -> Measurement:
        """Run the command for one configuration."""
        self._observe(PhaseStarted(CommandRun()))
        arguments = self._history.space.arguments(configuration)
        return self._engine.measure(arguments, keep_going=keep_going)

    def window(
        self,
        configuration: Configuration,
        block: int,
        seconds: float,
        keep_going: KeepGoing | None = None,
    ) -> Window:
        """Run the command once."""
        arguments = self._history.space.arguments(configuration)
        measurement = self._engine.measure(arguments, repeats=1, keep_going=keep_going)
        return Window(block, (), measurement)

    def combined(self, configuration: Configuration, windows: Sequence[Window]) -> Measurement:
        """What the runs give together."""
        return combined(windows)

    def window_seconds(self, configuration: Configuration, seconds: float) -> float:
        """As long as a run took in the search; of another configuration where it was none."""
        trials = [r for r in self._history.complete if r.measurement is not None]
        own = [r for r in trials if r.configuration == configuration] or trials
        return max((_run_seconds(r.measurement) for r in own if r.measurement), default=seconds)


def _run_seconds(measurement: Measurement) -> float:
    runs = max((len(metric.repeats) for metric in measurement.metrics.values()), default=1) or 1
    return measurement.seconds / runs
