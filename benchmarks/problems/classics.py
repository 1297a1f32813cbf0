"""Problems from the literature on grids of ours, and one of several methods."""

from __future__ import annotations

from functools import cache

import numpy as np

from problems._problem import HERE, Columns, Floats, Problem, front_of, pruned
from tuner.space import Codes, SearchSpace, load_space
from tuner.surrogates import Objective

SPHERE = tuple(Objective.parse(f"f{i}:min:linear") for i in (1, 2, 3))
"""Zero is a value of these: there is no logarithm."""
OSY = (Objective.parse("f1:min:linear"), Objective.parse("f2:min:linear"))
BRANCHES = (Objective.parse("cost:min"), Objective.parse("error:min"))


def sphere() -> Problem:
    """DTLZ2 (Deb et al. 2002) with three objectives, categories, conditions and constraints.

    The front is the grid of angles at the least distance that is valid there, known without
    looking at everything. Objectives are products of angles and of a distance that is a sum with
    interactions; on no scale are they sums over parameters.
    """
    space = _space("sphere")
    return Problem("sphere", space, SPHERE, lambda codes: _sphere(space, codes), _sphere_front())


def osy() -> Problem:
    """Osyczka and Kundu (1995): two objectives, negative and positive, and six constraints.

    The front runs along constraints nearly everywhere. On this grid it is found by looking at
    everything.
    """
    space = _space("osy")
    return Problem("osy", space, OSY, lambda codes: _osy(space, codes), _osy_front())


def branches() -> Problem:
    """Five methods, each with parameters of its own that mean different things.

    Power laws with a floor, and a rate whose best value depends on the size; the front is made of
    pieces of several methods.
    """
    space = _space("branches")
    return Problem(
        "branches", space, BRANCHES, lambda codes: _branches(space, codes), _branches_front()
    )


def _space(name: str) -> SearchSpace:
    return load_space(str(HERE / f"{name}.uvl"))


def _distance(c: Columns) -> Floats:
    """How far outside the unit sphere; 0 for north, open, 6, 7, 2 and four fine passes."""
    method = c.of("method", {"north": 0.0, "south": 0.15, "east": 0.35, "west": 0.5})
    shape = c.of("shape", {"open": 0.0, "round": 0.25, "flat": 0.4, "long": 0.6})
    best = c.of("method", {"north": 6, "south": 3, "east": 1, "west": 8})
    first, second, third = c["first"] - best, c["second"] - 7, c["third"] - 2
    smooth = 0.012 * (first**2 + second**2 + third**2 + first * second)
    fine = np.where(c.has("finish", "fine"), 0.0, 0.12) + 0.015 * (c["passes"] - 4) ** 2
    return method + shape + smooth + np.where(c.has("refined", True), fine, 0.3)


def _sphere(space: SearchSpace, codes: Codes) -> Floats:
    c = Columns(space, codes)
    return _on_sphere(c["elevation"], c["azimuth"], 1 + _distance(c))


def _on_sphere(elevation: Floats, azimuth: Floats, radius: Floats) -> Floats:
    a, b = np.pi / 20 * elevation, np.pi / 20 * azimuth
    points = [np.cos(a) * np.cos(b), np.cos(a) * np.sin(b), np.sin(a)]
    return np.round(radius[:, None] * np.stack(points, 1), 12)


def _sphere_front() -> Floats:
    """Radius 1 where `north` may go, 1.15 above (`south` with its own best first value)."""
    elevation, azimuth = (g.ravel() for g in np.meshgrid(np.arange(11.0), np.arange(11.0)))
    reached = ~((elevation <= 3) & (azimuth > 8))
    radius = np.where(elevation <= 7, 1.0, 1.15)
    return pruned(_on_sphere(elevation, azimuth, radius)[reached], SPHERE)


def _osy(space: SearchSpace, codes: Codes) -> Floats:
    c = Columns(space, codes)
    x1, x2, x3, x4, x5 = (c[name] / 2 for name in "abcde")
    x6 = c["f"]
    f1 = -(25 * (x1 - 2) ** 2 + (x2 - 2) ** 2 + (x3 - 1) ** 2 + (x4 - 4) ** 2 + (x5 - 1) ** 2)
    f2 = x1**2 + x2**2 + x3**2 + x4**2 + x5**2 + x6**2
    return np.stack([f1, f2], 1)


@cache
def _osy_front() -> Floats:
    space = _space("osy")
    return front_of(space, lambda codes: _osy(space, codes), OSY)


# Cost, its powers of size and order; error, its powers and floor; best rate and its power of size.
METHODS = {
    "Table": (0.4, 0.45, 0.3, 1.2, 0.5, 0.4, 4e-2, 0.05, 0.0),
    "Series": (1.0, 0.7, 1.0, 2.5, 0.8, 1.1, 6e-3, 0.5, -0.3),
    "Mesh": (6.0, 1.0, 1.6, 9.0, 1.2, 1.7, 4e-4, 0.02, 0.3),
    "Sampling": (0.8, 0.9, 0.2, 1.5, 0.5, 0.1, 1e-3, 1.0, 0.0),
    "Network": (15.0, 0.6, 0.8, 4.0, 0.9, 0.8, 2e-3, 0.1, -0.5),
}


def _branches(space: SearchSpace, codes: Codes) -> Floats:
    c = Columns(space, codes)
    cost, error = np.ones(len(codes)), np.ones(len(codes))
    for method, (
        unit,
        by_size,
        by_order,
        start,
        size_gain,
        order_gain,
        floor,
        rate,
        turn,
    ) in METHODS.items():
        mine = c.has("method", method)
        size, order = (c[f"{method.lower()}_{n}"][mine] for n in ("size", "order"))
        off = np.log(c[f"{method.lower()}_rate"][mine] / (rate * (size / 64) ** turn))
        cost[mine] = unit * (size / 8) ** by_size * order**by_order * (1 + 0.05 * off**2)
        gained = start * (size / 8) ** -size_gain * order**-order_gain
        error[mine] = floor + gained * (1 + 0.25 * off**2)
    workers = c["workers"]
    divided = c.of("method", dict(zip(METHODS, (0.5, 0.8, 0.7, 0.97, 0.9), strict=True)))
    cost = cost * (1 - divided + divided / workers) * workers**0.35
    cost = cost * c.of("precision", {"double": 1.0, "single": 0.6, "half": 0.4})
    error = error + c.of("precision", {"double": 0.0, "single": 5e-4, "half": 2e-2})
    return np.stack([cost, error], 1)


@cache
def _branches_front() -> Floats:
    space = _space("branches")
    return front_of(space, lambda codes: _branches(space, codes), BRANCHES)
