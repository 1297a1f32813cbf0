"""What measuring a configuration takes: what is expected of it, then what was learned so far."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tuner.search.dataset import Dataset
from tuner.space import Knowledge
from tuner.space.contract import Codes, Space
from tuner.surrogates import Objective, Surrogate

Floats = npt.NDArray[np.float64]

SETUP = 1.0
"""What comes before the first window, in times of what the default takes from there on, until it is
known: loading a model and asking it a few times."""


@dataclass(frozen=True)
class CostModel:
    """Expected seconds of a measurement after the last one.

    The time from the first window on is a surrogate over the space, on the log scale, which
    begins with what is expected of the energy: the same machine is busy for as long. What an ended
    measurement took is a lower bound. The time before it has two values: what it took, in the
    median, where a parameter that restarts the engine had changed, and where none had. Until any
    time is known they are what is expected, in times of the default's (`expected_seconds`).

    Attributes:
        space: the space.
        run: the surrogate of the time from the first window on; None where nothing is known.
        cold_setup_s: time before that where the engine starts anew.
        warm_setup_s: the same where it does not.
        last: the configuration measured last, length p.
        restarts: which parameters restart the engine, length p.

    """

    space: Space
    run: Surrogate | None
    cold_setup_s: float
    warm_setup_s: float
    last: Codes
    restarts: npt.NDArray[np.bool_]

    @classmethod
    def fit(cls, space: Space, dataset: Dataset) -> CostModel:
        """Learn from the measurements whose times the dataset holds (`Dataset.seconds`)."""
        restarts = np.array([p.restart for p in space.parameters], dtype=bool)
        codes, seconds = dataset.sequence, dataset.seconds
        known = np.isfinite(seconds).all(1) & (seconds.sum(1) > 0)
        complete = known & dataset.complete
        if not complete.any():
            return cls(space, None, 0.0, 0.0, np.empty(0, np.int32), restarts)
        anew = np.ones(len(codes), dtype=bool)
        anew[1:] = (codes[1:] != codes[:-1])[:, restarts].any(1)
        setup, run = seconds.T
        started, stayed = setup[known & anew], setup[known & ~anew]
        cold_setup_s = float(np.median(started if len(started) else stayed))
        warm_setup_s = float(np.median(stayed)) if len(stayed) else cold_setup_s
        times, least = (_times(codes[rows], run[rows]) for rows in (complete, known & ~complete))
        surrogate = Surrogate.fit(
            space, *times, None, [_objective(space)], ended=least[0], bounds=least[1]
        )
        return cls(
            space, surrogate, max(cold_setup_s, warm_setup_s), warm_setup_s, codes[-1], restarts
        )

    def seconds(self, codes: Codes) -> Floats:
        """Expected seconds of measuring each of N configurations next, length N."""
        if self.run is None or not len(codes):
            return expected_seconds(self.space, codes)
        mean, _ = self.run.moments(codes)
        anew = (codes != self.last)[:, self.restarts].any(1)
        running = self.run.transforms[0].untransform(mean[:, 0].numpy())
        setup = np.where(anew, self.cold_setup_s, self.warm_setup_s)
        return np.asarray(running + setup, dtype=np.float64)


def expected_seconds(space: Space, codes: Codes) -> Floats:
    """What is expected of each of N measurements before any was made, length N.

    In times of what the default takes from the first window on; 1 where nothing is expected.
    """
    knowledge = _knowledge(space)
    if not knowledge:
        return np.ones(len(codes))
    expected: Floats = SETUP + np.exp(knowledge.total(codes))
    return expected


def _knowledge(space: Space) -> Knowledge:
    """What is expected of the energy or, where that is nothing, of the latency."""
    return Knowledge.of(space, "energy") or Knowledge.of(space, "latency")


def _objective(space: Space) -> Objective:
    """The time from the first window on, with the kind of metric that it goes with."""
    knowledge = _knowledge(space)
    return Objective("seconds", "min", "log", knowledge.kind if knowledge else "other")


def _times(codes: Codes, run_s: Floats) -> tuple[Codes, Floats]:
    """Each configuration once with what it took first, `k x p` and `k x 1`."""
    distinct, first = np.unique(codes, axis=0, return_index=True)
    return distinct, np.maximum(run_s[first], 1e-3)[:, None]
