"""What a comparison on an engine tells: a run of each sampler, and what all found together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from tuner.compare.entrant import Entrant
from tuner.compare.turns import SamplerComparison
from tuner.search import Objective, hypervolume_share, non_dominated
from tuner.search.replay import Replay
from tuner.study.records import Record

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ComparisonResult:
    """Samplers compared on an engine.

    The best front that is known is that of everything measured, a configuration counting with the
    mean of its measurements; hypervolumes are shares of its own.

    Attributes:
        runs: one of each sampler and seed that finished anything; `rows` are indices of `records`.
        records: one of each configuration, its `values` the means; failed where it never worked.
        objectives: of the values.
        size: of the space.
        taken: measurements that were taken.
        seconds: that all this took.
        stopped_by: why it ended, in one line.
        notes: what to know before believing it.

    """

    runs: tuple[Replay, ...]
    records: tuple[Record, ...]
    objectives: tuple[Objective, ...]
    size: int
    taken: int
    seconds: float
    stopped_by: str
    notes: tuple[str, ...]

    @property
    def finished(self) -> int:
        """Proposals with an outcome, of all samplers."""
        return sum(len(run.rows) for run in self.runs)

    @property
    def failed(self) -> Counter[str]:
        """How many proposals of each sampler failed."""
        return Counter(
            run.sampler for run in self.runs for row in run.rows if not self.records[row].values
        )

    def to_dict(self) -> dict[str, Any]:
        """Every run as plain types, configurations and values included."""
        values = _values(self.records, len(self.objectives))
        entries = [self._entry(record) for record in self.records]
        return {
            "size": self.size,
            "objectives": [f"{o.metric}:{o.direction}" for o in self.objectives],
            "front": [
                entry
                for entry, on in zip(entries, non_dominated(values, self.objectives), strict=True)
                if on
            ],
            "proposals": self.finished,
            "measurements": self.taken,
            "seconds": self.seconds,
            "stopped_by": self.stopped_by,
            "notes": list(self.notes),
            "runs": [
                run.summary(
                    [entries[row] for row in run.rows],
                    non_dominated(values[list(run.rows)], self.objectives),
                    self.size,
                )
                for run in self.runs
            ],
        }

    def _entry(self, record: Record) -> dict[str, Any]:
        failure = record.measurement.failure if record.measurement else None
        names = [o.metric for o in self.objectives]
        return {
            "configuration": dict(record.configuration),
            "values": dict(zip(names, record.values, strict=True)) if record.values else None,
            "failure": failure.cause if failure else None,
        }


def comparison_result(
    comparison: SamplerComparison, stopped_by: str, notes: Sequence[str] = ()
) -> ComparisonResult:
    """Count what the samplers found."""
    configurations = list(dict.fromkeys(r.configuration for r in comparison.taken))
    records = tuple(_mean(comparison.measurements(c)) for c in configurations)
    values = _values(records, len(comparison.objectives))
    index_of = {configuration: i for i, configuration in enumerate(configurations)}
    runs = []
    for entrant in filter(lambda one: one.records, comparison.entrants):
        rows = [index_of[record.configuration] for record in entrant.records]
        runs.append(_run(entrant, rows, values, comparison.objectives))
    return ComparisonResult(
        runs=tuple(runs),
        records=records,
        objectives=comparison.objectives,
        size=comparison.space.size,
        taken=len(comparison.taken),
        seconds=comparison.elapsed,
        stopped_by=stopped_by,
        notes=tuple(notes),
    )


def _run(
    entrant: Entrant, rows: list[int], values: Floats, objectives: Sequence[Objective]
) -> Replay:
    stopped_at, stop = entrant.stop or (None, None)
    return Replay(
        sampler=entrant.name,
        seed=entrant.seed,
        rows=tuple(rows),
        log=_curve(values, rows, objectives),
        linear=_curve(values, rows, [replace(o, scale="linear") for o in objectives]),
        seconds=tuple(record.ask_seconds for record in entrant.records),
        stop=stop,
        stopped_at=stopped_at,
    )


def _curve(
    values: Floats, rows: Sequence[int], objectives: Sequence[Objective]
) -> tuple[float, ...]:
    """Share of the best known front's hypervolume after each of the rows; failures add nothing."""
    worked = np.asarray(np.isfinite(values).all(axis=1))
    if not worked.any():
        return (0.0,) * len(rows)
    return tuple(
        hypervolume_share(
            values[[row for row in rows[: n + 1] if worked[row]]], objectives, among=values[worked]
        )
        for n in range(len(rows))
    )


def _mean(records: Sequence[Record]) -> Record:
    """One record for all measurements of a configuration: the first that worked, with the means."""
    worked = [record for record in records if record.values]
    if not worked:
        return records[0]
    means = np.mean([record.values for record in worked], axis=0)
    return replace(worked[0], values=tuple(means.tolist()))


def _values(records: Sequence[Record], m: int) -> Floats:
    """The objectives `n x m`; NaN where it failed."""
    return np.array([record.values or (np.nan,) * m for record in records]).reshape(-1, m)
