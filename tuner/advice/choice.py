"""Which configurations deserve which name: cheapest, fastest, most accurate, balanced, frugal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tuner.search import Objective, non_dominated
from tuner.space import Configuration

Role = Literal["cheapest", "fastest", "most accurate", "balanced", "frugal"]

FRUGAL_SHARE = 0.5
"""`frugal` promises no accuracy, but at least this share of the default's."""


@dataclass(frozen=True)
class Point:
    """A configuration with its objective values, repeats of it averaged.

    Attributes:
        configuration: what was measured.
        values: the objectives in the study's order.
        slack: by how much the accuracy may be better than it looks (its standard error), while
            it is still to be verified; 0 afterwards.
        keeps: whether it keeps the service levels.
    """

    configuration: Configuration
    values: tuple[float, ...]
    slack: float = 0.0
    keeps: bool = True


def merge(points: Sequence[Point]) -> list[Point]:
    """One point a configuration, in the order of first appearance, values averaged."""
    by: dict[Configuration, list[Point]] = {}
    for point in points:
        by.setdefault(point.configuration, []).append(point)
    return [
        Point(
            configuration,
            tuple(np.mean([p.values for p in group], axis=0).tolist()),
            min(p.slack for p in group),
            any(p.keeps for p in group),
        )
        for configuration, group in by.items()
    ]


def front(points: Sequence[Point], objectives: Sequence[Objective]) -> list[Point]:
    """The points that no other point dominates."""
    if not points:
        return []
    mask = non_dominated(np.array([p.values for p in points], dtype=float), objectives)
    return [p for p, on in zip(points, mask, strict=True) if on]


@dataclass(frozen=True)
class RoleSelector:
    """Ranks the front for each role.

    Attributes:
        objectives: of the study, in the order of the points' values.
        default: objective values of the engine's default.
        tolerance: accuracy that a role which promises to keep it may lose, in absolute terms.
    """

    objectives: tuple[Objective, ...]
    default: tuple[float, ...]
    tolerance: float

    def ranking(self, points: Sequence[Point]) -> dict[Role, list[Point]]:
        """The front's eligible points for each role, best first.

        Only what keeps the service levels is eligible. Roles that the objectives give no
        meaning, or that nothing is eligible for, are left out.
        """
        on_front = front([p for p in points if p.keeps], self.objectives)
        keeps = [p for p in on_front if self._accuracy_share(p) >= self._kept]
        decent = [p for p in on_front if self._accuracy_share(p) >= FRUGAL_SHARE]
        ranked: dict[Role, list[Point]] = {}
        for role, kind, eligible in (
            ("cheapest", "energy", keeps),
            ("fastest", "latency", keeps),
            ("most accurate", "accuracy", on_front),
        ):
            column = self._column(kind)
            if column is not None and eligible:
                ranked[role] = sorted(eligible, key=self._by(column))  # type: ignore[index]
        if keeps:
            ranked["balanced"] = sorted(keeps, key=self._regret(keeps))
        energy = self._column("energy")
        if energy is not None and self._column("accuracy") is not None and decent:
            ranked["frugal"] = sorted(decent, key=self._by(energy))
        return ranked

    def choose(self, points: Sequence[Point]) -> dict[Role, Configuration]:
        """The configuration of each role.

        `frugal` is left out where the least energy goes with a promise of accuracy anyway.
        """
        chosen: dict[Role, Configuration] = {}
        for role, ranked in self.ranking(points).items():
            pick = ranked[0].configuration
            if role != "frugal" or pick not in chosen.values():
                chosen[role] = pick
        return chosen

    def candidates(self, points: Sequence[Point], limit: int) -> list[Configuration]:
        """What to verify: the best of every role, then their runners-up, at most `limit`."""
        found: list[Configuration] = list(dict.fromkeys(self.choose(points).values()))
        ranked = list(self.ranking(points).values())
        for rank in range(2):
            for order in ranked:
                if rank < len(order) and order[rank].configuration not in found:
                    found.append(order[rank].configuration)
        return found[:limit]

    @property
    def _kept(self) -> float:
        column = self._column("accuracy")
        if column is None or self.default[column] <= 0:
            return 0.0
        return (self.default[column] - self.tolerance) / self.default[column]

    def _accuracy_share(self, point: Point) -> float:
        column = self._column("accuracy")
        if column is None or self.default[column] <= 0:
            return 1.0
        return (point.values[column] + point.slack) / self.default[column]

    def _column(self, kind: str) -> int | None:
        return next((i for i, o in enumerate(self.objectives) if o.depends_on == kind), None)

    def _by(self, column: int) -> Callable[[Point], tuple[float, float]]:
        """Sort key: the objective at `column`, ties broken by the cost in the others."""
        sign = 1.0 if self.objectives[column].direction == "min" else -1.0
        return lambda p: (sign * p.values[column], self._cost(p))

    def _regret(self, points: Sequence[Point]) -> Callable[[Point], tuple[float, float]]:
        """Sort key of balance: the worst of the losses against the best of the points.

        A loss is a logarithm of a ratio, as a share of the range that the points span (the
        Chebyshev distance to the ideal point; Miettinen 1999, section 3.4). Accuracy is left
        out, since all the points keep it.
        """
        columns = [i for i, o in enumerate(self.objectives) if o.kind != "accuracy"]
        signs = [1.0 if self.objectives[i].direction == "min" else -1.0 for i in columns]

        def losses(point: Point) -> np.ndarray:
            return np.array(signs) * np.log(np.maximum([point.values[i] for i in columns], 1e-12))

        if not columns:
            return lambda p: (0.0, self._cost(p))
        table = np.array([losses(p) for p in points])
        best, span = table.min(0), np.maximum(np.ptp(table, axis=0), 1e-12)
        return lambda p: (float(((losses(p) - best) / span).max()), self._cost(p))

    def _cost(self, point: Point) -> float:
        """Sum of the logarithms of the ratios to the default; lower is better.

        A halved energy at a doubled latency costs as much as the default.
        """
        total = 0.0
        for objective, value, default in zip(
            self.objectives, point.values, self.default, strict=True
        ):
            sign = 1.0 if objective.direction == "min" else -1.0
            total += sign * float(np.log(max(value, 1e-12) / max(default, 1e-12)))
        return total
