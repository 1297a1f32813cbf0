"""What the parameters of a space are expected to do to one kind of metric, over codes.

Notation: E things are expected; p parameters; n configurations.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from tuner.metrics import Kind
from tuner.space.contract import Codes, Space

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Knowledge:
    """Expected effects of configurations on metrics of one kind, relative to the default's.

    Effects are logarithms of factors, for accuracy differences. They add up.

    Attributes:
        kind: the kind of metric.
        columns: the parameter that each expectation is about, length E.
        effects: of each expectation the effect of being inactive, then of each value of its
            parameter, 0 at the default; E arrays.
    """

    kind: Kind
    columns: tuple[int, ...]
    effects: tuple[Floats, ...]

    @classmethod
    def of(cls, space: Space, kind: Kind) -> Knowledge:
        """What is expected of the parameters of a space (`Parameter.expected`)."""
        found = [
            (j, np.array([0.0, *expected.effects]))
            for j, parameter in enumerate(space.parameters)
            for expected in parameter.expected
            if expected.kind == kind
        ]
        if not found:
            return cls(kind, (), ())
        default = space.encode([space.default])[0]
        relative = tuple(e - e[default[j] + 1] for j, e in found)
        return cls(kind, tuple(j for j, _ in found), relative)

    def __bool__(self) -> bool:
        return bool(self.columns)

    @cached_property
    def by_column(self) -> dict[int, Floats]:
        """The sum of all expectations for each value of a parameter, inactive first."""
        found: dict[int, Floats] = {}
        for j, effects in zip(self.columns, self.effects, strict=True):
            found[j] = found.get(j, 0.0) + effects
        return found

    def total(self, codes: Codes) -> Floats:
        """The expected effect of each of n configurations, length n."""
        total = np.zeros(len(codes))
        for j, effects in self.by_column.items():
            total += effects[codes[:, j] + 1]
        return total
