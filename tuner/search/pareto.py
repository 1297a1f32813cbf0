"""Fronts and hypervolumes: plain geometry, no models.

Inside this room everything is minimised: n points in m objectives are rows of `n x m`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tuner.surrogates.objective import Objective, to_scale

Floats = npt.NDArray[np.float64]

SMALL = 400
"""Up to so many points all pairs are compared at once."""


def non_dominated(values: Floats, objectives: Sequence[Objective]) -> npt.NDArray[np.bool_]:
    """Which rows of `n x m` no other row beats: as good in all and better in one.

    Rows with a value that is not finite never count. Equal rows are all kept.
    """
    signs = np.array([1.0 if o.direction == "min" else -1.0 for o in objectives])
    return minimal(np.asarray(values, dtype=np.float64) * signs)


def minimal(points: Floats) -> npt.NDArray[np.bool_]:
    """Which of the points `n x m` are non-dominated when all objectives are minimised."""
    keep = np.asarray(np.isfinite(points).all(axis=1))
    if len(points) <= SMALL:
        no_worse = (points[:, None] <= points[None]).all(axis=2)
        better = np.asarray(no_worse & ~no_worse.T)
        return np.asarray(keep & ~better[keep].any(axis=0))
    for i in np.argsort(points.sum(1)):
        if keep[i]:
            beaten = (points >= points[i]).all(axis=1) & (points > points[i]).any(axis=1)
            keep &= ~beaten
    return keep


def hypervolume(points: Floats, reference: Floats) -> float:
    """Volume that the points `n x m` dominate below the reference point (all minimised)."""
    reference = np.asarray(reference, dtype=np.float64)
    points = np.asarray(points, dtype=np.float64).reshape(-1, len(reference))
    points = points[(points < reference).all(1)]
    points = points[minimal(points)]
    if not len(points):
        return 0.0
    if len(reference) == 2:
        points = points[np.argsort(points[:, 0])]
        heights = np.append(reference[1], points[:-1, 1]) - points[:, 1]
        return float(((reference[0] - points[:, 0]) * np.maximum(heights, 0.0)).sum())
    floor = points.min(0)
    lower, upper = free_boxes(points, reference)
    free = np.prod(upper - np.maximum(lower, floor), axis=1).sum()
    return float(np.prod(reference - floor) - free)


def hypervolume_share(
    values: Floats, objectives: Sequence[Objective], *, among: Floats | None = None
) -> float:
    """How much of the reachable volume the front of `values` (`n x m`) covers, in [0, 1].

    Objectives are taken on their scales (logarithmic where they span more than a factor of
    `LOG_SPAN`), normalised by the range of `among`, with the reference a tenth behind the worst.
    Where `among` is given, say all rows of a table, the answer is the share of the hypervolume
    of its own front; else `among` is `values`, and it is the share of the box between the best
    value of each objective and the reference.
    """
    values = np.asarray(values, dtype=np.float64).reshape(-1, len(objectives))
    whole = values if among is None else np.asarray(among, dtype=np.float64)
    reference = np.full(len(objectives), 1.1)
    covered = hypervolume(_normalised(values, whole, objectives), reference)
    if among is None:
        return covered / float(np.prod(reference))
    return covered / hypervolume(_normalised(whole, whole, objectives), reference)


def _normalised(values: Floats, whole: Floats, objectives: Sequence[Objective]) -> Floats:
    """Minimised and scaled values, such that those of `whole` span [0, 1]."""
    columns = []
    for j, objective in enumerate(objectives):
        scale = objective.scale_for(whole[:, j])
        ends = to_scale(whole[:, j], objective, scale)
        spread = float(ends.max() - ends.min()) or 1.0
        columns.append((to_scale(values[:, j], objective, scale) - ends.min()) / spread)
    return np.stack(columns, 1)


def free_boxes(front: Floats, reference: Floats) -> tuple[Floats, Floats]:
    """Disjoint boxes that fill what the front leaves undominated below the reference.

    Lower corners (-inf where open) and upper corners, each `K x m`. For three objectives a sweep
    along the last one keeps a staircase of strips and makes at most 2 n + 1 boxes; for more,
    BoTorch's decomposition is used.
    """
    reference = np.asarray(reference, dtype=np.float64)
    m = len(reference)
    inside = front[(front < reference).all(1)]
    inside = np.unique(inside[minimal(inside)], axis=0)
    if m == 1:
        best = inside.min(0) if len(inside) else reference
        return np.full((1, 1), -np.inf), best[None, :].copy()
    if m == 2:
        strips = np.concatenate([inside, np.zeros((len(inside), 1))], 1)
        lower, upper = _sweep(strips, np.append(reference, 1.0))
        last = upper[:, 2] == 1.0
        return lower[last, :2], upper[last, :2]
    if m == 3:
        return _sweep(inside, reference)
    return _botorch_boxes(inside, reference)


def _sweep(front: Floats, reference: Floats) -> tuple[Floats, Floats]:
    """Boxes of three objectives; strips are (x from, x to, y below, z since)."""
    rx, ry, rz = reference
    strips = [(-np.inf, rx, ry, -np.inf)]
    boxes: list[tuple[float, ...]] = []
    for x, y, z in front[np.lexsort((front[:, 0], front[:, 1], front[:, 2]))]:
        kept, reach = [], x
        for left, right, top, since in strips:
            if right <= x or top <= y:
                kept.append((left, right, top, since))
                continue
            cut = max(left, x)
            boxes.append((cut, -np.inf, since, right, top, z))
            if left < x:
                kept.append((left, x, top, since))
            reach = max(reach, right)
        if reach > x:
            kept.append((x, reach, y, z))
        strips = sorted(kept)
    boxes += [(left, -np.inf, since, right, top, rz) for left, right, top, since in strips]
    array = np.array(boxes)
    array = array[array[:, 5] > array[:, 2]]
    return array[:, :3], array[:, 3:]


def _botorch_boxes(front: Floats, reference: Floats) -> tuple[Floats, Floats]:
    import torch
    from botorch.utils.multi_objective.box_decompositions.non_dominated import (
        FastNondominatedPartitioning,
    )

    partitioning = FastNondominatedPartitioning(
        torch.from_numpy(-reference), torch.from_numpy(-front)
    )
    bounds = partitioning.get_hypercell_bounds()
    return -bounds[1].numpy(), -bounds[0].numpy()
