"""Optimisers on a table that says what each measurement took: the currency is seconds.

`TimedTable` is a file of `measure_table.py` in the space of its feature model, `STRATEGIES` are the
optimisers, and `play` lets one of them measure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from measured_tables import METRICS, Row, measured
from plain_botorch import PlainBoTorch

from tuner.search import Observation, ParetoSampler
from tuner.search.pareto import hypervolume_share
from tuner.search.replay import OptunaBaseline
from tuner.space import Configuration, SearchSpace, Table, TableSpace, load_model, search_space
from tuner.surrogates import Objective

LIMIT = 10.0
"""Nobody deploys what takes so many times the default's energy or latency."""
OBJECTIVES = tuple(
    Objective.parse(f"{name}:{'max' if name == 'accuracy' else 'min'}") for name in METRICS
)
RESULTS = Path(__file__).parent / "results"
MACHINE = {
    "cpus": 2,
    "accelerator": False,
    "flash_attn_installed": False,
    "quanto_installed": False,
    "hqq_installed": False,
    "threads": 1,
}
"""What was measured on, whatever the replay runs on."""
DOMAINS: dict[str, dict[str, Sequence]] = {
    "smollm2": {"model": ["SmolLM2-135M-Instruct"], "max_new_tokens": [32, 16]},
    "builtin_family": {"model": ["builtin:large", "builtin:base", "builtin:small"]},
}
"""The tables, and what `measure_table.py` was given in place of the feature model's domains."""


class MeasuredSpace(TableSpace):
    """The measured configurations of a search space, with its parameters and its default."""

    knows_default = True

    def __init__(self, space: SearchSpace, configurations: Sequence[Configuration]) -> None:
        self._parameters = space.parameters
        self.rows_ = space.encode(configurations)
        self.row_of = np.arange(len(configurations))
        self._index = {row.tobytes(): i for i, row in enumerate(self.rows_)}
        self._default = list(configurations).index(space.default)


@dataclass(frozen=True)
class TimedTable:
    """Measured configurations and what each measurement took.

    Attributes:
        name: of the table.
        table: space and values `n x 3` in the order of `METRICS`, standard errors likewise.
        setup_s: loading and warm-up of each, length n.
        run_s: the measured passes of each, length n.
        n_failed: configurations left out, because they gave no answer.

    """

    name: str
    table: Table
    setup_s: np.ndarray
    run_s: np.ndarray
    n_failed: int

    @classmethod
    def of(cls, name: str) -> TimedTable:
        """One of `DOMAINS`."""
        every = measured(RESULTS / f"{name}.csv")
        rows = [row for row in every if None not in row.values]
        space = search_space(
            load_model("transformers"),
            pins=MACHINE,
            domains=DOMAINS[name],
        )
        table = Table(
            space=MeasuredSpace(space, [row.configuration for row in rows]),
            values=np.array([row.values for row in rows], dtype=np.float64),
            sems=np.array([_known(row) for row in rows], dtype=np.float64),
            columns=METRICS,
        )
        setup_s, run_s = (np.array([getattr(r, n) for r in rows]) for n in ("setup_s", "run_s"))
        return cls(name, table, setup_s, run_s, len(every) - len(rows))

    @property
    def default(self) -> int:
        """The row of the default."""
        code = self.table.space.encode([self.table.space.default])
        return int(self.table.space.index(code)[0])

    @property
    def limits(self) -> np.ndarray:
        """What nobody deploys: energy and latency."""
        return LIMIT * self.table.values[self.default, :2]

    @property
    def beyond(self) -> np.ndarray:
        """Which rows lie beyond a limit, length n."""
        return (self.table.values[:, :2] > self.limits).any(1)

    def bounds(self, row: int) -> list[float | None]:
        """What is known of a row beyond a limit when it is ended: the limit that it reached first.

        Of the other one what it had come to by then; of its accuracy nothing.
        """
        values = self.table.values[row, :2]
        return [*(values * min(self.limits / values)).tolist(), None]

    def seconds(self, row: int, *, ends_early: bool) -> tuple[float, float]:
        """What a measurement takes before its first measured window, and from there on.

        A row beyond a limit can be ended in the first batch, once by its warm-up and once more:
        when a request has taken as long as the limit of latency, or the batch has cost as much as
        its limit of energy, at the power that it has.
        """
        setup_s, run_s = float(self.setup_s[row]), float(self.run_s[row])
        if not (ends_early and self.beyond[row]):
            return setup_s, run_s
        batch_s = self.table.values[row, 1] / 1e3
        sure_s = batch_s * min(self.limits / self.table.values[row, :2])
        loading_s = max(setup_s - batch_s, 0.0)
        return min(setup_s, loading_s + sure_s), min(run_s, sure_s)

    def share(self, rows: Sequence[int]) -> float:
        """Share of the true front's log hypervolume that rows have; beyond the limits is nothing.

        The reference point is a tenth behind the worst within the limits.
        """
        within = ~self.beyond
        chosen = [row for row in rows if within[row]]
        values = self.table.values
        return hypervolume_share(values[chosen], OBJECTIVES, among=values[within])


def _known(row: Row) -> list[float]:
    return [np.nan if sem is None else sem for sem in row.sems]


class Strategy(Protocol):
    """Says which row to measure next, the rows so far being known."""

    def __call__(self, rows: Sequence[int]) -> int:
        """The row to measure next."""


class Tuner:
    """The tuner, with what is expected of features, limits of interest and gain per second."""

    def __init__(self, timed: TimedTable, seed: int) -> None:
        from tuner.search import parse_levels

        self.timed = timed
        limits = parse_levels(f"{name}<{LIMIT:g}x" for name in METRICS[:2])
        self.sampler = ParetoSampler(
            timed.table.space, OBJECTIVES, seed=seed, cost_aware=True, limits=limits
        )

    def __call__(self, rows: Sequence[int]) -> int:
        """The row to measure next."""
        seen = [self._observed(row) for row in rows]
        return int(self.timed.table.space.index(self.sampler.propose(seen))[0])

    def _observed(self, row: int) -> Observation:
        table, code = self.timed.table, self.timed.table.space.rows_[row]
        seconds = self.timed.seconds(row, ends_early=True)
        if self.timed.beyond[row]:
            return Observation(code, bounds=self.timed.bounds(row), seconds=seconds)
        values, sems = table.values[row].tolist(), table.sems[row].tolist()
        return Observation(code, values, sems, seconds=seconds)


class TunerAsItWas:
    """The tuner before it knew of seconds; meant to be run from a checkout of that time."""

    def __init__(self, timed: TimedTable, seed: int) -> None:
        self.table = timed.table
        self.sampler = ParetoSampler(timed.table.space, OBJECTIVES, seed=seed)

    def __call__(self, rows: Sequence[int]) -> int:
        """The row to measure next."""
        table = self.table
        seen = [
            Observation(table.space.rows_[r], table.values[r].tolist(), table.sems[r].tolist())
            for r in rows
        ]
        return int(table.space.index(self.sampler.propose(seen))[0])


class RandomSearch:
    """The default, then rows in random order."""

    def __init__(self, timed: TimedTable, seed: int) -> None:
        order = np.random.default_rng([seed, 5]).permutation(len(timed.table.space)).tolist()
        order.remove(timed.default)
        self.order = [timed.default, *order]

    def __call__(self, rows: Sequence[int]) -> int:
        """The row to measure next."""
        return self.order[len(rows)]


class Tpe(OptunaBaseline):
    """TPE, told of the default before it is asked; every answer becomes the nearest row."""

    def __init__(self, timed: TimedTable, seed: int) -> None:
        super().__init__("tpe", timed.table, OBJECTIVES, seed, len(timed.table.space))
        self.default = timed.default

    def __call__(self, rows: Sequence[int]) -> int:
        """The row to measure next."""
        if not rows:
            self._add(self.default)
            return self.default
        return super().__call__(rows)


def plain_botorch(timed: TimedTable, seed: int) -> Strategy:
    """Plain BoTorch, whose initial design begins with the default."""
    return PlainBoTorch(timed.table, OBJECTIVES, seed, len(timed.table.space))


AS_IT_WAS = "tuner as it was"
STRATEGIES: dict[str, tuple[Callable[[TimedTable, int], Strategy], bool]] = {
    "tuner": (Tuner, True),
    AS_IT_WAS: (TunerAsItWas, False),
    "random": (RandomSearch, False),
    "random, ended early": (RandomSearch, True),
    "tpe": (Tpe, False),
    "plain botorch": (plain_botorch, False),
}
"""Optimisers by name, and whether their measurements beyond a limit are ended early."""


def play(
    timed: TimedTable, name: str, seed: int, *, until: float, max_rows: int
) -> tuple[list[float], list[float]]:
    """Let an optimiser measure: seconds gone after each measurement, and the share reached.

    It ends at a share of hypervolume, or after so many rows.
    """
    make, ends_early = STRATEGIES[name]
    strategy = make(timed, seed)
    rows: list[int] = []
    gone, shares = [], []
    while len(rows) < min(max_rows, len(timed.table.space)):
        rows.append(strategy(rows))
        took = sum(timed.seconds(rows[-1], ends_early=ends_early))
        gone.append(round((gone[-1] if gone else 0.0) + took, 3))
        shares.append(round(timed.share(rows), 5))
        if shares[-1] >= until:
            break
    return gone, shares
