"""Optimisers of others, as the comparison drives them on a table (not installed by `make`)."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

from tuner.search.replay import replay
from tuner.space import Table
from tuner.space.table import TableSpace
from tuner.surrogates import Objective

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
NEEDS = {"plain botorch": "botorch", "gp": "optuna", "ax": "ax", "hebo": "hebo", "smac": "smac"}
LENGTHS = {"plain botorch": 7, "gp": 12, "ax": 8, "hebo": 6, "smac": 18}
"""Measurements a run: a few more than the peer's own initial design."""
OBJECTIVES = [Objective.parse("energy_j:min"), Objective.parse("accuracy:max:linear")]


@pytest.fixture
def peers(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    module = importlib.import_module("peers")
    yield module
    for name in [n for n in sys.modules if n.split(".")[0] == "peers"]:
        del sys.modules[name]


def small_table() -> Table:
    """18 rows out of 24 combinations: a category, a number on the log scale, a switch."""
    grid = [
        (kind, batch, switch)
        for kind in ("a", "b", "c")
        for batch in (1, 4, 16, 64)
        for switch in (False, True)
        if not (kind == "c" and batch >= 16) and not (kind == "b" and batch == 1)
    ]
    space = TableSpace(
        {
            name: [row[j] for row in grid]
            for j, name in enumerate(("kind", "batch_size", "compiled"))
        }
    )
    values = np.array(
        [
            [100.0 / batch**0.5 * (1 + "abc".index(kind)) - 3 * switch, 0.5 + 0.1 * (kind == "c")]
            for kind, batch, switch in grid
        ]
    )
    return Table(space, values, np.full_like(values, np.nan), ("energy_j", "accuracy"))


@pytest.mark.slow
@pytest.mark.parametrize("name", NEEDS)
def test_a_peer_measures_each_row_once_and_the_same_rows_for_the_same_seed(name, peers):
    pytest.importorskip(NEEDS[name], reason=f"{name} is not installed (benchmarks/peers.txt)")
    table = small_table()
    runs = [
        replay(
            table,
            OBJECTIVES,
            sampler=peers.peer(name),
            max_trials=LENGTHS[name],
            seed=3,
            run_on=True,
        )
        for _ in range(2)
    ]
    assert len(set(runs[0].rows)) == LENGTHS[name]
    assert runs[0].rows == runs[1].rows
    assert runs[0].sampler == name


class AlwaysTheSame:
    """A peer that asks for one combination that is no row, forever."""

    def __init__(self):
        self.told, self.added = [], []

    def ask(self):
        return [2, 3, 0]

    def tell(self, values):
        self.told.append(values)

    def add(self, codes, values):
        self.added.append(tuple(codes))


def test_a_peer_that_repeats_itself_gets_the_nearest_rows_left(peers):
    nearest = importlib.import_module("peers.nearest")
    table, peer = small_table(), AlwaysTheSame()
    strategy = nearest.Nearest(peer, table, OBJECTIVES, forgiven=2)
    rows = []
    while len(rows) < len(table.space):
        rows.append(strategy(rows))
    assert sorted(rows) == list(range(len(table.space)))
    different = (table.space.rows_[rows] != [2, 3, 0]).sum(1)
    assert (np.diff(different) >= 0).all()
    assert len(peer.told) == 1 + 3 * (len(rows) - 1)
    assert peer.added == [tuple(table.space.rows_[row].tolist()) for row in rows[1:]]
