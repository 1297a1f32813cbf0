"""The models of what was measured and what failed, apart from what is running.

Running trials change no hyperparameter: with them, the same models are told imagined values. So
the stopping rule, which leaves them out, and every proposal beside them share one fit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from tuner.search._cost import Cost
from tuner.search._history import History
from tuner.space.contract import Space
from tuner.surrogates import Feasibility, Objective, Surrogate

KEPT = 2_000_000
"""Numbers in an array that is made and freed untouched: glibc keeps up to twice what was freed at
once before it hands memory back to the system. Without, it hands back and fetches anew the pages of
every matrix of a likelihood, which takes a third of a fit to 200 measurements."""


@dataclass(frozen=True)
class Fitted:
    """Models fitted to a history.

    Attributes:
        surrogate: the processes of what is modelled, nothing imagined.
        works: the chance that configurations can be measured.
        cost: what measuring them takes.

    """

    surrogate: Surrogate
    works: Feasibility
    cost: Cost

    @classmethod
    def of(cls, space: Space, outputs: Sequence[Objective], history: History) -> Fitted:
        """Fit to a history with at least one measurement; what is pending in it counts nothing."""
        torch.empty(KEPT, dtype=torch.float64)
        with one_thread():
            return cls(
                Surrogate.fit(space, history.codes, history.values, history.sems, outputs),
                Feasibility.fit(space, history.codes, history.failed, history.causes),
                Cost.fit(space, history),
            )


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch on one thread: matrices of this size only get slower on more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
