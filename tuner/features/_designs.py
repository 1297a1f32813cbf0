"""Samples for learning: spread out, by distance from the default, or one feature at a time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tuner.features._compiled import Compiled
from tuner.features._cover import levels
from tuner.features._deadline import check_deadline
from tuner.features._errors import ModelError
from tuner.features._repair import complete
from tuner.features._rows import Rows
from tuner.features._solver import Solver

POOL = 50
"""Drawn configurations for each one that a spread-out design takes."""

LARGEST_POOL = 20_000
LARGEST_POOL_CELLS = 10_000_000
"""Drawn configurations times features."""


def maximin(compiled: Compiled, n: int, rng: np.random.Generator) -> Rows:
    """`n` configurations far from one another.

    Out of a pool of weighted draws, after a first one by chance, always the one whose nearest
    neighbour in the design is farthest (Gonzalez 1985, "Clustering to minimize the maximum
    intercluster distance": at most twice the best possible distance within the pool).
    """
    pool = _pool(compiled, n, rng)
    points = _points(compiled, pool)
    taken = [0]
    nearest = _distances(points, points[0])
    while len(taken) < min(n, len(pool)):
        check_deadline("sample")
        farthest = int(np.argmax(nearest))
        taken.append(farthest)
        nearest = np.minimum(nearest, _distances(points, points[farthest]))
    return pool[taken]


def by_distance(compiled: Compiled, n: int, rng: np.random.Generator) -> Rows:
    """`n` configurations whose distances from the default one are spread evenly.

    A distance is drawn uniformly from those that occur in a pool of weighted draws, then one of
    the configurations at this distance (Kaltenecker et al. 2019, "Distance-Based Sampling of
    Software Configuration Spaces").
    """
    pool = _pool(compiled, n, rng)
    default = compiled.layout.rows([complete(Solver(compiled.model, canonical=True))])
    origin = _points(compiled, default)[0]
    distance = np.round(_distances(_points(compiled, pool), origin)).astype(np.int64)
    left = {int(d): list(rng.permutation(np.flatnonzero(distance == d))) for d in set(distance)}
    taken: list[int] = []
    while left and len(taken) < n:
        at = int(rng.choice(sorted(left)))
        taken.append(int(left[at].pop()))
        if not left[at]:
            del left[at]
    return pool[taken]


def one_wise(compiled: Compiled) -> Rows:
    """The default configuration, and for each choice that it does not make the nearest one to it.

    Choices are every feature selected or not, and the levels of every typed one; those that no
    configuration makes are passed over.
    """
    solver = Solver(compiled.model, canonical=True)
    found = [complete(solver)]
    for name, feature in compiled.model.features.items():
        wishes = [False, *(feature.domain[i] for i in levels(feature))]
        for wish in wishes:
            if any((c.get(name, False) == wish) for c in found):
                continue
            if solver.satisfiable({name: wish}):
                found.append(complete(solver, {name: wish}))
    return compiled.layout.rows(found)


def _pool(compiled: Compiled, n: int, rng: np.random.Generator) -> Rows:
    """Different configurations by weighted draws; all of them where there are few."""
    if n < 1:
        raise ModelError("a design needs at least one configuration")
    if not compiled.count:
        raise ModelError("the model has no valid configuration to draw")
    most = max(n, LARGEST_POOL_CELLS // len(compiled.model.features))
    wanted = min(max(POOL * n, 200), LARGEST_POOL, most)
    if compiled.count <= wanted:
        rows = compiled.rows(wanted)
    else:
        rows = np.unique(compiled.sample(wanted, rng, weighted=True), axis=0)
    return rows[rng.permutation(len(rows))]


def _points(compiled: Compiled, rows: Rows) -> npt.NDArray[np.float64]:
    """Rows as points, `n x 2f`: whether each feature is selected, and where in its domain.

    A typed feature moves by 1 from one end of its domain to the other, and so does every feature
    from not selected to selected; a text moves by 1 to each other text.
    """
    features = list(compiled.model.features.values())
    columns = []
    for column, feature in zip(rows.T, features, strict=True):
        check_deadline("sample")
        columns.append((column >= 0).astype(np.float64))
        if feature.typed and feature.type != "String":
            columns.append(np.maximum(column, 0) / max(len(feature.domain) - 1, 1))
        elif feature.typed:
            columns += [0.5 * (column == i) for i in range(len(feature.domain))]
    return np.stack(columns, axis=1)


def _distances(
    points: npt.NDArray[np.float64], point: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    distances: npt.NDArray[np.float64] = np.abs(points - point).sum(axis=1)
    return distances
