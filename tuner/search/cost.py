"""What measuring a configuration takes, learned from what it took so far."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tuner.search.dataset import Dataset
from tuner.space.contract import Codes, Space
from tuner.surrogates import Objective, Surrogate

Floats = npt.NDArray[np.float64]

SECONDS = Objective("seconds", "min", scale="log")


@dataclass(frozen=True)
class CostModel:
    """Expected seconds of a measurement after the last one.

    The time from the first window on is a surrogate over the space, on the log scale. The time
    before it has two values: what it took, in the median, where a parameter that restarts the
    engine had changed, and where none had. Without any known time every measurement costs 1.

    Attributes:
        run: the surrogate of the time from the first window on; None where nothing is known.
        cold_setup_s: time before that where the engine starts anew.
        warm_setup_s: the same where it does not.
        last: the configuration measured last, length p.
        restarts: which parameters restart the engine, length p.

    """

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
        if not known.any():
            return cls(None, 0.0, 0.0, np.empty(0, np.int32), restarts)
        anew = np.ones(len(codes), dtype=bool)
        anew[1:] = (codes[1:] != codes[:-1])[:, restarts].any(1)
        setup, run = seconds.T
        started, stayed = setup[known & anew], setup[known & ~anew]
        cold_setup_s = float(np.median(started if len(started) else stayed))
        warm_setup_s = float(np.median(stayed)) if len(stayed) else cold_setup_s
        distinct, first = np.unique(codes[known], axis=0, return_index=True)
        times = np.maximum(run[known][first], 1e-3)[:, None]
        surrogate = Surrogate.fit(space, distinct, times, None, [SECONDS])
        return cls(surrogate, max(cold_setup_s, warm_setup_s), warm_setup_s, codes[-1], restarts)

    def seconds(self, codes: Codes) -> Floats:
        """Expected seconds of measuring each of N configurations next, length N."""
        if self.run is None or not len(codes):
            return np.ones(len(codes))
        mean, _ = self.run.moments(codes)
        anew = (codes != self.last)[:, self.restarts].any(1)
        running = self.run.transforms[0].untransform(mean[:, 0].numpy())
        setup = np.where(anew, self.cold_setup_s, self.warm_setup_s)
        return np.asarray(running + setup, dtype=np.float64)
