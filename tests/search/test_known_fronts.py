"""The problems of the benchmarks have the fronts that they say, and are pursued as they say."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tuner.search import hypervolume_share, non_dominated
from tuner.space import load_space
from tuner.surrogates import Objective

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
if not BENCHMARKS.exists():
    pytest.skip("the benchmarks are not here", allow_module_level=True)
sys.path.insert(0, str(BENCHMARKS))

from problems import PROBLEMS, Columns, everything, front_of  # noqa: E402
from problems._problem import pruned  # noqa: E402
from problems.serving import GROUPS, effects, options, with_group  # noqa: E402
from pursuit import Pattern, Trouble, pursue  # noqa: E402


@pytest.fixture(scope="module")
def problem():
    made = {}

    def of(name):
        if name not in made:
            made[name] = PROBLEMS[name]()
        return made[name]

    return of


def same(left, right):
    order = [a[np.lexsort(a.round(9).T)] for a in (left, right)]
    return left.shape == right.shape and np.allclose(*order, rtol=1e-9, atol=1e-12)


def nothing_before(problem, values):
    """No value beats a point of the front by more than rounding."""
    signs = [1.0 if o.direction == "min" else -1.0 for o in problem.objectives]
    slack = 1e-9 * np.maximum(np.abs(values), 1e-3) * signs
    together = np.concatenate([problem.among, values + slack])
    return same(pruned(together, problem.objectives), problem.among)


def within(space, name, pins):
    """All configurations of a problem's space that have some values."""
    part = load_space(str(BENCHMARKS / "problems" / f"{name}.uvl"), pins=pins)
    codes = np.concatenate(list(everything(part)))
    left = {p.name: i for i, p in enumerate(part.parameters)}
    whole = np.empty((len(codes), len(space.parameters)), dtype=np.int32)
    for j, parameter in enumerate(space.parameters):
        if parameter.name in pins:
            whole[:, j] = parameter.values.index(pins[parameter.name])
        elif parameter.name not in left:
            whole[:, j] = -1
        else:
            values = part.parameters[left[parameter.name]].values
            places = [parameter.values.index(v) for v in values]
            whole[:, j] = np.array([*places, -1])[codes[:, left[parameter.name]]]
    assert len(codes) == part.size
    assert space.is_valid(whole).all()
    return whole


@settings(deadline=None, max_examples=60)
@given(
    st.integers(2, 3).flatmap(
        lambda m: arrays(
            float, st.tuples(st.integers(1, 60), st.just(m)), elements=st.integers(0, 5)
        )
    ),
    st.tuples(*[st.sampled_from(["min", "max"])] * 3),
)
def test_one_pass_finds_the_front_that_comparing_all_pairs_finds(values, directions):
    objectives = [Objective(f"x{j}", directions[j]) for j in range(values.shape[1])]
    distinct = np.unique(values, axis=0)
    expected = distinct[non_dominated(distinct, objectives)]
    assert np.array_equal(np.unique(pruned(values, objectives), axis=0), expected)
    assert len(pruned(values, objectives)) == len(expected)


@pytest.mark.parametrize("name", ["osy", "branches"])
def test_everything_is_every_valid_configuration_once(problem, name):
    space = problem(name).space
    codes = np.concatenate(list(everything(space, chunk=3000)))
    assert len(np.unique(codes, axis=0)) == len(codes) == space.size
    assert space.is_valid(codes).all()


def test_the_front_of_osy_is_that_of_the_textbook_on_the_grid(problem):
    half = [np.arange(0, 21) / 2, np.arange(0, 21) / 2, np.arange(2, 11) / 2]
    x1, x2, x3, x4, x5, x6 = np.meshgrid(
        *half, np.arange(0, 13) / 2, np.arange(2, 11) / 2, np.arange(0.0, 11), indexing="ij"
    )
    valid = (x1 + x2 - 2 >= 0) & (6 - x1 - x2 >= 0) & (2 - x2 + x1 >= 0) & (2 - x1 + 3 * x2 >= 0)
    valid &= (4 - (x3 - 3) ** 2 - x4 >= 0) & ((x5 - 3) ** 2 + x6 - 4 >= 0)
    x = np.stack([g[valid] for g in (x1, x2, x3, x4, x5, x6)])
    assert x.shape[1] == problem("osy").space.size
    shift = np.array([2, 2, 1, 4, 1])[:, None]
    f1 = -(np.array([25, 1, 1, 1, 1]) @ (x[:5] - shift) ** 2)
    f2 = (x**2).sum(0)
    front = pruned(np.stack([f1, f2], 1), problem("osy").objectives)
    assert same(front, problem("osy").among)
    assert front[0].tolist() == [-274, 76]  # at (5, 1, 5, 0, 5, 0), as in the literature


def test_the_front_of_the_sphere_is_reached_and_nothing_lies_below(problem):
    sphere = problem("sphere")
    for elevation, radius in ((5, 1.0), (9, 1.15)):
        codes = within(sphere.space, "sphere", {"elevation": elevation, "azimuth": 4})
        lengths = np.linalg.norm(sphere.evaluate(codes), axis=1)
        assert lengths.min() == pytest.approx(radius)
        best = sphere.evaluate(codes[[lengths.argmin()]])
        assert np.isclose(sphere.among, best, atol=1e-11).all(1).any()
    assert set(np.linalg.norm(sphere.among, axis=1).round(9)) == {1.0, 1.15}


@pytest.mark.slow
def test_the_front_of_a_part_of_serving_is_that_of_comparing_all_pairs(problem):
    serving = problem("serving")
    pins = {"model": "3b", "clock": 1485, "kv_cache": "bf16", "weights": "fp8", "chunked": False}
    pins |= {"attention": "flash", "cards": 2}
    codes = within(serving.space, "serving", pins)
    values = np.unique(serving.evaluate(codes), axis=0)
    expected = values[non_dominated(values, serving.objectives)]
    assert same(pruned(values, serving.objectives), expected)
    assert nothing_before(serving, values)


@pytest.mark.slow
def test_looking_at_everything_finds_what_drawing_everything_finds(problem):
    branches = problem("branches")
    rng = np.random.default_rng(0)
    drawn = np.unique(branches.space.sample(250_000, rng, uniform=True), axis=0)
    assert len(drawn) == branches.space.size
    values = np.unique(branches.evaluate(drawn), axis=0)
    expected = values[non_dominated(values, branches.objectives)]
    assert same(branches.among, expected)
    assert same(front_of(branches.space, branches.evaluate, branches.objectives), expected)


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=pytest.mark.slow) if n.startswith("serving") else n for n in PROBLEMS],
)
def test_nothing_that_is_valid_lies_before_a_front(problem, name):
    p = problem(name)
    codes = p.space.sample(20_000, np.random.default_rng(1))
    values = p.evaluate(np.concatenate([codes, p.space.encode([p.space.default])]))
    assert np.isfinite(values).all()
    assert nothing_before(p, values)


@pytest.mark.parametrize("name", ["osy", "branches", "sphere"])
def test_the_share_is_that_of_the_package(problem, name):
    p = problem(name)
    values = p.evaluate(p.space.sample(400, np.random.default_rng(4)))
    assert p.share(p.among) == pytest.approx(1.0)
    assert 0 < p.share(values) < 1
    assert p.share(values) == pytest.approx(hypervolume_share(values, p.objectives, among=p.among))


@pytest.mark.slow
def test_groups_of_knobs_can_be_joined_one_after_the_other(problem):
    knobs = problem("serving+knobs")
    space, index = knobs.space, {p.name: j for j, p in enumerate(knobs.space.parameters)}
    own = load_space(str(BENCHMARKS / "problems" / "knobs.uvl"))
    rows = space.sample(30, np.random.default_rng(2))
    names = [*GROUPS["scheduler"], *GROUPS["power"]]
    lengths = [len(space.parameters[index[name]].values) for name in names]
    grid = np.stack([g.ravel() for g in np.meshgrid(*map(np.arange, lengths))], 1)
    every = np.repeat(rows, len(grid), axis=0)
    every[:, [index[name] for name in names]] = np.tile(grid, (len(rows), 1))
    assert space.is_valid(every).all()
    brute = pruned(knobs.evaluate(every), knobs.objectives)
    told = effects(Columns(space, rows))
    base = knobs.evaluate(rows)
    base[:, :2] /= np.exp(told["scheduler"] + told["power"])
    joined = pruned(base, knobs.objectives)
    for group in ("scheduler", "power"):
        joined = with_group(joined, options(own, group, GROUPS[group]))
    assert same(joined, brute)
    assert space.size > 10**12


def test_what_fails_is_about_what_was_asked_for(problem):
    for name in ("branches", "osy"):
        space = problem(name).space
        for seed in range(3):
            pattern = Pattern.drawn(space, 0.1, np.random.default_rng(seed))
            codes = space.sample(5000, np.random.default_rng(9), uniform=True)
            assert 0.06 < pattern.holds(codes).mean() < 0.15
            assert " and " in pattern.words


def test_trouble_changes_what_is_seen_and_not_what_is_true(problem):
    osy = problem("osy")
    quiet = pursue(osy, "random", 3, 60)
    noisy = pursue(osy, "random", 3, 60, Trouble(noise=0.05, outliers=0.02))
    assert noisy.shares == quiet.shares
    assert (np.diff(quiet.shares) >= 0).all()
    assert quiet.repeats == quiet.invalid == len(quiet.failed) == 0
    failing = pursue(osy, "random", 3, 60, Trouble(failing=0.3))
    assert 5 < len(failing.failed) < 35
    assert failing.pattern
    assert len(pursue(osy, "random", 3, 60, until=0.1).shares) < 60


@pytest.mark.parametrize("sampler", ["pareto", "tpe", "tpe refused", "nsga2"])
@pytest.mark.filterwarnings("ignore")
def test_every_optimiser_proposes_only_what_is_valid(problem, sampler):
    run = pursue(problem("branches"), sampler, 0, 15, Trouble(noise=0.05, failing=0.1))
    assert len(run.shares) == 15
    assert run.invalid == 0
    assert (
        run.shares
        == pursue(problem("branches"), sampler, 0, 15, Trouble(noise=0.05, failing=0.1)).shares
    )
