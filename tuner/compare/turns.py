"""Samplers side by side on something that is measured: whose turn it is, and what is shared."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tuner.compare.entrant import Entrant
from tuner.measure import InterruptedRun, Measurement
from tuner.search import Objective
from tuner.space import Configuration, Space
from tuner.study.events import Event
from tuner.study.loop import Measure
from tuner.study.records import Record
from tuner.study.session import with_outputs


@dataclass(frozen=True)
class SamplerTurn:
    """The next one to propose something."""

    sampler: str
    seed: int


@dataclass(frozen=True)
class TurnFinished:
    """A sampler has the outcome of its proposal.

    Attributes:
        turn: whose turn it was.
        record: the outcome, numbered as the measurement that it comes from.
        shared: whether that had been taken before, for another one.
        finished: proposals with an outcome so far, of all samplers.
        total: proposals planned.
        elapsed: seconds spent, those before a resumption included.

    """

    turn: SamplerTurn
    record: Record
    shared: bool
    finished: int
    total: int
    elapsed: float


class SamplerComparison:
    """Samplers that take turns on one engine and share what was measured.

    Whoever asks for a configuration the k-th time is told its k-th measurement, whoever had that
    taken; only what nobody has asked for so often is measured.

    Args:
        space: what is searched.
        objectives: what is improved.
        entrants: the samplers; what they were told before is shared from the start.

    """

    def __init__(
        self, space: Space, objectives: Sequence[Objective], entrants: Sequence[Entrant]
    ) -> None:
        self.space, self.objectives = space, tuple(objectives)
        self.entrants = tuple(entrants)
        self.taken: list[Record] = []
        """Every measurement that was taken; a number is an index of this list."""
        self._by_configuration: dict[Configuration, list[Record]] = defaultdict(list)
        for entrant in self.entrants:
            for i, record in enumerate(entrant.records):
                earlier = entrant.records[:i]
                times = sum(r.configuration == record.configuration for r in earlier)
                if times == len(self._by_configuration[record.configuration]):
                    self._add(record)
        self._spent_before = sum(r.measurement.seconds for r in self.taken if r.measurement)
        self._opened = time.monotonic()

    @property
    def outputs(self) -> tuple[Objective, ...]:
        """The objectives: a comparison knows no service levels."""
        return self.objectives

    @property
    def complete(self) -> list[Record]:
        """The measurements with objective values."""
        return [record for record in self.taken if record.state == "complete"]

    @property
    def elapsed(self) -> float:
        """Seconds spent, those before a resumption included."""
        return self._spent_before + time.monotonic() - self._opened

    @property
    def finished(self) -> int:
        """Proposals with an outcome so far, of all samplers."""
        return sum(len(entrant.records) for entrant in self.entrants)

    def measurements(self, configuration: Configuration) -> Sequence[Record]:
        """Every measurement of a configuration."""
        return self._by_configuration[configuration]

    def run(
        self,
        measure: Measure,
        observe: Callable[[Event | SamplerTurn | TurnFinished], None],
        max_seconds: float | None = None,
    ) -> str:
        """Let the samplers take turns until all are done; returns why it ended, in one line.

        The one with the fewest proposals is next, so that a drift of the machine meets all alike.
        """

        def in_time() -> bool:
            return max_seconds is None or self.elapsed < max_seconds

        def timed(configuration: Configuration, number: int) -> Measurement:
            return measure(configuration, number, in_time)

        while waiting := [c for c in self.entrants if not c.done]:
            if not in_time():
                return "the time limit was reached"
            entrant = min(waiting, key=lambda c: len(c.records))
            try:
                observe(self._take_turn(entrant, timed, observe))
            except InterruptedRun:
                return "the time limit was reached"
        return "every sampler made all its proposals"

    def _take_turn(
        self,
        entrant: Entrant,
        measure: Callable[[Configuration, int], Measurement],
        observe: Callable[[Event | SamplerTurn | TurnFinished], None],
    ) -> TurnFinished:
        turn = SamplerTurn(entrant.name, entrant.seed)
        observe(turn)
        ask = entrant.ask()
        times = entrant.times(ask.configuration)
        known = self._by_configuration[ask.configuration][times:]
        if known and known[0].measurement is not None:
            record = known[0]
            entrant.tell(ask, known[0].measurement)
        else:
            measurement = measure(ask.configuration, len(self.taken))
            measurement = with_outputs(measurement, self.objectives)
            record = self._add(entrant.tell(ask, measurement))
        total = sum(c.budget for c in self.entrants)
        return TurnFinished(turn, record, bool(known), self.finished, total, self.elapsed)

    def _add(self, record: Record) -> Record:
        record = replace(record, number=len(self.taken))
        self.taken.append(record)
        self._by_configuration[record.configuration].append(record)
        return record
