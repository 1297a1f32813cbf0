"""The simplest configuration that is as good: what makes no difference is set back to the default.

A search changes many decisions at once, and most of what differs from the default in a good
configuration is there by chance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tuner.search import Objective
from tuner.space import Configuration, Space, Value

if TYPE_CHECKING:
    from tuner.surrogates import Surrogate

Floats = npt.NDArray[np.float64]

LOSS = 0.03
"""What a simpler configuration may be worse by in all, as a share of each objective."""
ACCURACY_LOSS = 0.01
"""And of its accuracy, in absolute terms, a standard deviation of what is not known included."""


@dataclass(frozen=True)
class Change:
    """One difference of a configuration from the default.

    Attributes:
        feature: the decision.
        default: what the default has there; None where the decision does not arise.
        value: what the configuration has.
        worth: by metric, how the value would change without this difference, as the surrogates
            expect: relative (0.3 is 30 % more), for accuracies as a difference.
    """

    feature: str
    default: Value | None
    value: Value
    worth: Mapping[str, float]


class Simplifier:
    """Sets back what makes no difference, as far as the surrogates know.

    Args:
        space: of the configurations.
        objectives: of the study.
        surrogate: of these objectives (further outputs are not looked at).

    """

    def __init__(self, space: Space, objectives: Sequence[Objective], surrogate: Surrogate) -> None:
        self._space = space
        self._objectives = tuple(objectives)
        self._surrogate = surrogate
        self._default = space.encode([space.default])[0]

    def simplified(self, configuration: Configuration) -> Configuration:
        """The configuration with as few differences as make it no worse.

        One difference after the other is set back, first the one that is expected to matter
        least, as long as no objective is expected to lose more than `LOSS` in all. The default
        itself is never the answer: a configuration that is better than it has something that
        matters, whatever the surrogates say.
        """
        code = self._space.encode([configuration])[0]
        first, start = code, self._expected(code[None])[0]
        while True:
            steps = [s for _, s in self._without_each(code) if (s != self._default).any()]
            if not steps:
                break
            codes = np.stack(steps)
            losses = self._loss(self._expected(codes) - self._unsure(codes, first), start)
            best = int(losses.argmin())
            if losses[best] > 1:
                break
            code = steps[best]
        return self._space.decode(code[None])[0]

    def changes(self, configuration: Configuration) -> tuple[Change, ...]:
        """Each difference from the default, and what it is worth."""
        code = self._space.encode([configuration])[0]
        default = self._space.default
        here = self._expected(code[None])[0]
        found = []
        for feature, without in self._without_each(code):
            there = self._expected(without[None])[0]
            worth = {
                o.metric: float(b - a if o.kind == "accuracy" else b / a - 1)
                for o, a, b in zip(self._objectives, here, there, strict=True)
                if o.kind == "accuracy" or a > 0
            }
            found.append(Change(feature, default.get(feature), configuration[feature], worth))
        return tuple(found)

    def _without_each(self, code: npt.NDArray[np.int32]) -> list[tuple[str, npt.NDArray[np.int32]]]:
        """For each difference: the nearest valid configuration that has the default's value.

        Only those count that are nearer to the default than before.
        """
        found = []
        differing = int((code != self._default).sum())
        for j in np.flatnonzero(code != self._default):
            changed = code.copy()
            changed[j] = self._default[j]
            without = self._space.repair(changed[None])[0]
            if int((without != self._default).sum()) < differing:
                found.append((self._space.parameters[int(j)].name, without))
        active = self._space.decode(code[None])[0]
        return [(name, without) for name, without in found if name in active]

    def _expected(self, codes: npt.NDArray[np.int32]) -> Floats:
        means: Floats = self._surrogate.predict(codes).mean[:, : len(self._objectives)]
        return means

    def _unsure(self, codes: npt.NDArray[np.int32], first: npt.NDArray[np.int32]) -> Floats:
        """How much worse accuracies may be than expected of N rows against the first one, `N x m`.

        The standard deviation of the difference. Energies and latencies are verified in seconds
        and better known: for these it is 0.
        """
        from tuner.surrogates.surrogate import as_inputs  # loads torch

        unsure = np.zeros((len(codes), len(self._objectives)))
        inputs = as_inputs(np.concatenate([first[None], codes]))
        for j, objective in enumerate(self._objectives):
            if objective.kind == "accuracy":
                transform = self._surrogate.transforms[j]
                normal = self._surrogate.models[j].posterior(inputs).distribution
                covariance = normal.covariance_matrix.detach().numpy()
                own = np.diag(covariance)
                variance = own[1:] + own[0] - 2 * covariance[0, 1:]
                unsure[:, j] = transform.spread * np.sqrt(np.maximum(variance, 0.0))
        return unsure

    def _loss(self, there: Floats, here: Floats) -> Floats:
        """How much of the loss allowed each of N rows takes, by its worst objective, length N."""
        parts = []
        for j, objective in enumerate(self._objectives):
            sign = 1.0 if objective.direction == "min" else -1.0
            worse = sign * (there[:, j] - here[j])
            allowed = ACCURACY_LOSS if objective.kind == "accuracy" else LOSS * abs(here[j])
            parts.append(worse / max(allowed, 1e-12))
        most: Floats = np.max(parts, axis=0)
        return most
