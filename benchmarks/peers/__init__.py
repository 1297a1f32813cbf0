"""Optimisers of others as replay strategies (see `tuner.search.replay`); `peers.txt` installs them.

They are told positive objectives that span much on the log scale, smaller is better: none of them
takes logarithms of each objective by itself. None can be given a list of valid rows: an answer
that is no row of the table stands for the nearest one (see `nearest`). Each runs on one thread.
"""

from __future__ import annotations

from importlib import import_module

from tuner.search.replay import StrategyFactory

PEERS = {
    "plain botorch": ("plain_botorch", "PlainBoTorch"),
    "gp": ("peers.optuna_gp", "optuna_gp"),
    "ax": ("peers.ax_client", "ax_client"),
    "hebo": ("peers.hebo_general", "hebo_general"),
    "smac": ("peers.smac_parego", "smac_parego"),
}
"""Module and factory of each peer. `gp` stands before the one that `tune replay` has."""


def peer(name: str) -> tuple[str, StrategyFactory]:
    """A peer's name and what makes a strategy of it; imports that peer only."""
    module, factory = PEERS[name]
    return name, getattr(import_module(module), factory)
