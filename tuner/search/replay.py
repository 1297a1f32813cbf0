"""Tuning on a table of past measurements as if it were an engine."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tuner.errors import UserError
from tuner.search.baselines import BASELINES, MAX_FREE_REPEATS, baseline_sampler
from tuner.search.pareto import hypervolume_share, non_dominated
from tuner.search.stopping import StopStatus
from tuner.surrogates.objective import Objective

if TYPE_CHECKING:
    from tuner.space import Table

Strategy = Callable[[Sequence[int]], int]
"""Given the rows measured so far, in order, the row to measure next."""
StrategyFactory = Callable[["Table", Sequence[Objective], int, int], Strategy]
"""Makes a strategy from a table, its objectives, a seed and the number of measurements."""

SHARES = (0.90, 0.95, 0.99)


@dataclass(frozen=True)
class Replay:
    """One run of an optimiser on a table.

    Attributes:
        sampler: name of the optimiser.
        seed: its seed.
        rows: indices in `table.space.rows_` of the measured rows, in order.
        log: hypervolume after each measurement, as a share of the table's, objectives that span
            more than a factor of `LOG_SPAN` on the log scale.
        linear: the same with all objectives as they are.
        seconds: processor time that each suggestion took, judging the stop before it included.
        stop: what the stopping rule said where it ended, or would have ended, the run; where it
            never did, what it said last, which only a replay knows; None without a rule.
        stopped_at: number of measurements where it ended, or would have ended, the run; None if
            it did not.

    """

    sampler: str
    seed: int
    rows: tuple[int, ...]
    log: tuple[float, ...]
    linear: tuple[float, ...]
    seconds: tuple[float, ...]
    stop: StopStatus | None
    stopped_at: int | None

    def measurements_to(self, share: float, *, linear: bool = False) -> int | None:
        """Measurements until the hypervolume reached this share; None if it never did."""
        curve = self.linear if linear else self.log
        return next((i + 1 for i, reached in enumerate(curve) if reached >= share - 1e-9), None)

    def to_dict(self, table: Table, objectives: Sequence[Objective]) -> dict[str, Any]:
        """Everything as plain types, configurations and values included."""
        values = table.values[list(self.rows)]
        measured = [
            {
                "configuration": dict(configuration),
                "values": dict(zip(table.columns, v, strict=True)),
            }
            for configuration, v in zip(
                table.space.decode(table.space.rows_[list(self.rows)]), values.tolist(), strict=True
            )
        ]
        return self.summary(measured, non_dominated(values, objectives), len(table.space))

    def summary(
        self, measured: Sequence[dict[str, Any]], on_front: Iterable[bool], size: int
    ) -> dict[str, Any]:
        """The run as plain types; `measured` says what each measurement was."""
        return {
            "sampler": self.sampler,
            "seed": self.seed,
            "size": size,
            "measured": measured,
            "hypervolume": {"log": list(self.log), "linear": list(self.linear)},
            "measurements_to": {
                scale: {
                    f"{share:.0%}": self.measurements_to(share, linear=scale == "linear")
                    for share in SHARES
                }
                for scale in ("log", "linear")
            },
            "front": [entry for entry, on in zip(measured, on_front, strict=True) if on],
            "stop": {
                "stopped": self.stopped_at is not None,
                "at": self.stopped_at,
                "reason": self.stop.reason if self.stop else None,
            },
            "suggestion_seconds": list(self.seconds),
        }


def replay(
    table: Table,
    objectives: Sequence[Objective],
    *,
    sampler: str | tuple[str, StrategyFactory] = "pareto",
    max_trials: int,
    seed: int = 0,
    run_on: bool = False,
    until: float = math.inf,
) -> Replay:
    """Tune on the rows of a table.

    A table says nothing about an engine's default. So each seed takes another row for it: all
    begun at the same one, runs would hardly differ, and the luck of that row would be taken for
    the optimiser's.

    Args:
        table: past measurements.
        objectives: what its columns are, in their order.
        sampler: a name out of `SAMPLERS`, or a name and a factory of your own.
        max_trials: measurements at most; never more than there are rows.
        seed: seed of the optimiser.
        run_on: go on after the stopping rule says done.
        until: end at this share of log hypervolume, which only a replay can know.

    """
    name, factory = (sampler, _strategy(sampler)) if isinstance(sampler, str) else sampler
    table = replace(table, space=table.space.starting_anywhere(seed))
    budget = min(max_trials, len(table.space))
    strategy = factory(table, objectives, seed, budget)
    status_of = getattr(strategy, "status", None)
    linear = [replace(o, scale="linear") for o in objectives]
    rows: list[int] = []
    shares: list[tuple[float, float]] = []
    seconds = []
    stop, stopped_at, judged = None, None, 0.0
    while len(rows) < budget and (run_on or stopped_at is None):
        if shares and shares[-1][0] >= until:
            break
        began = time.process_time()
        rows.append(strategy(rows))
        seconds.append(judged + time.process_time() - began)
        values = table.values[rows]
        shares.append(
            (
                hypervolume_share(values, objectives, among=table.values),
                hypervolume_share(values, linear, among=table.values),
            )
        )
        began = time.process_time()
        if stopped_at is None and status_of is not None:
            stop = status_of(rows)
            stopped_at = len(rows) if stop.done else None
        judged = time.process_time() - began
    return Replay(
        sampler=name,
        seed=seed,
        rows=tuple(rows),
        log=tuple(s for s, _ in shares),
        linear=tuple(s for _, s in shares),
        seconds=tuple(seconds),
        stop=stop,
        stopped_at=stopped_at,
    )


class Pareto:
    """The tuner's own sampler on a table."""

    def __init__(
        self, table: Table, objectives: Sequence[Objective], seed: int, budget: int
    ) -> None:
        from tuner.search.sampler import ParetoSampler

        self.table = table
        self.sampler = ParetoSampler(table.space, objectives, seed=seed, budget=budget)

    def __call__(self, rows: Sequence[int]) -> int:
        """The row to measure next."""
        code = self.sampler.propose(self._seen(rows))
        return int(self.table.space.index(code)[0])

    def status(self, rows: Sequence[int]) -> StopStatus:
        """What the stopping rule says."""
        return self.sampler.status(self._seen(rows))

    def _seen(self, rows: Sequence[int]) -> list[Any]:
        from tuner.search.dataset import Observation

        table = self.table
        return [
            Observation(table.space.rows_[r], table.values[r].tolist(), table.sems[r].tolist())
            for r in rows
        ]


class Random:
    """Rows in a random order."""

    def __init__(
        self, table: Table, objectives: Sequence[Objective], seed: int, budget: int
    ) -> None:
        self.order = np.random.default_rng(seed).permutation(len(table.space))

    def __call__(self, rows: Sequence[int]) -> int:
        """The row to measure next."""
        return int(self.order[len(rows)])


class OptunaBaseline:
    """A sampler of Optuna that knows no constraints: each answer becomes the nearest row.

    If that row was measured before, the optimiser gets its values at no charge and is asked again.
    """

    def __init__(
        self, name: str, table: Table, objectives: Sequence[Objective], seed: int, budget: int
    ) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.table = table
        self.rng = np.random.default_rng(seed)
        self.study = optuna.create_study(
            directions=["minimize" if o.direction == "min" else "maximize" for o in objectives],
            sampler=baseline_sampler(name, seed, deterministic=True),
        )

    def __call__(self, rows: Sequence[int]) -> int:
        """The row to measure next."""
        space = self.table.space
        for _ in range(MAX_FREE_REPEATS):
            trial = self.study.ask()
            row = int(space.index(space.encode([space.suggest(trial)]))[0])
            self.study.tell(trial, self.table.values[row].tolist())
            if row not in rows:
                return row
        left = np.setdiff1d(np.arange(len(space)), np.array(rows))
        row = int(self.rng.choice(left))
        self._add(row)
        return row

    def _add(self, row: int) -> None:
        import optuna

        space = self.table.space
        distributions: dict[str, Any] = space.distributions()
        params = dict(space.decode(space.rows_[[row]])[0])
        self.study.add_trial(
            optuna.trial.create_trial(
                params=params,
                distributions={name: distributions[name] for name in params},
                values=self.table.values[row].tolist(),
            )
        )


SAMPLERS: dict[str, StrategyFactory] = {
    "pareto": Pareto,
    "random": Random,
    **{name: partial(OptunaBaseline, name) for name in BASELINES},
}
"""Optimisers by name: the tuner's, random search, and those of Optuna."""


def _strategy(name: str) -> StrategyFactory:
    if name not in SAMPLERS:
        raise UserError(f"there is no sampler '{name}'; choose one of {', '.join(SAMPLERS)}.")
    return SAMPLERS[name]


def quartiles(runs: Sequence[Replay], length: int) -> npt.NDArray[np.float64]:
    """Lower quartile, median and upper quartile of log hypervolume shares, `3 x length`.

    A run that ended earlier keeps its last share.
    """
    curves = np.array([np.pad(r.log, (0, length - len(r.log)), "edge") for r in runs])
    quantiles: npt.NDArray[np.float64] = np.quantile(curves, [0.25, 0.5, 0.75], axis=0)
    return quantiles


def median_measurements(runs: Sequence[Replay], share: float) -> float | None:
    """Median number of measurements to a share of log hypervolume; None if most never got it."""
    counts = [r.measurements_to(share) or np.inf for r in runs]
    median = float(np.median(counts))
    return median if np.isfinite(median) else None
