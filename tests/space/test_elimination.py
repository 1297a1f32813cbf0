"""The elimination against brute force over every assignment."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.space._elimination import Factor, Network


@st.composite
def networks(draw):
    n = draw(st.integers(1, 6))
    lengths = draw(st.lists(st.integers(1, 4), min_size=n, max_size=n))
    ranks = draw(st.lists(st.integers(0, 2), min_size=n, max_size=n))
    factors = []
    for _ in range(draw(st.integers(0, 5))):
        scope = tuple(draw(st.permutations(range(n)))[: draw(st.integers(1, min(3, n)))])
        cells = int(np.prod([lengths[i] for i in scope]))
        bits = draw(st.lists(st.booleans(), min_size=cells, max_size=cells))
        factors.append(Factor(scope, np.array(bits).reshape([lengths[i] for i in scope])))
    return lengths, factors, ranks


def solutions(lengths, factors):
    rows = np.array(list(itertools.product(*(range(d) for d in lengths))), dtype=np.int32)
    ok = [all(f.table[tuple(row[i] for i in f.scope)] for f in factors) for row in rows]
    return rows, np.array(ok)


@given(networks(), st.integers(0, 2**32 - 1))
@settings(max_examples=150, deadline=None)
def test_agrees_with_brute_force(network, seed):
    lengths, factors, ranks = network
    rows, ok = solutions(lengths, factors)
    found = Network(lengths, factors, ranks)
    assert found.size == ok.sum()
    assert (found.valid(rows) == ok).all()
    for i, support in enumerate(found.support):
        assert set(np.flatnonzero(support)) == set(rows[ok][:, i])

    rng = np.random.default_rng(seed)
    costs = [rng.random((3, length)) for length in lengths]
    nearest, cost = found.cheapest(costs)
    total = sum(costs[i][:, rows[:, i]] for i in range(len(lengths)))
    best = np.where(ok, total, np.inf).min(axis=1)
    assert np.allclose(cost, best)
    if ok.any():
        assert found.valid(nearest).all()
        for uniform in (True, False):
            assert found.valid(found.sample(50, rng, uniform=uniform)).all()


def chi_square(counts):
    expected = counts.sum() / len(counts)
    return ((counts - expected) ** 2 / expected).sum()


def test_uniform_draws_give_every_assignment_its_share():
    rng = np.random.default_rng(0)
    lengths = [3, 4, 2, 5]
    factors = [
        Factor((0, 1), rng.random((3, 4)) < 0.6),
        Factor((3, 1, 2), rng.random((5, 4, 2)) < 0.6),
    ]
    rows, ok = solutions(lengths, factors)
    drawn = Network(lengths, factors, [0, 0, 0, 0]).sample(20_000, rng, uniform=True)
    index = {tuple(row): k for k, row in enumerate(rows[ok])}
    counts = np.bincount([index[tuple(row)] for row in drawn], minlength=len(index))
    k = len(index) - 1
    assert chi_square(counts) < k + 5 * np.sqrt(2 * k)


def test_weighted_draws_give_every_value_of_a_high_rank_its_share():
    # The second value of variable 0 has one completion, the first has a hundred.
    free = np.ones((2, 101), dtype=bool)
    free[1, :] = False
    free[1, 100] = True
    network = Network([2, 101], [Factor((0, 1), free)], [1, 0])
    drawn = network.sample(4_000, np.random.default_rng(1), uniform=False)
    assert abs((drawn[:, 0] == 1).mean() - 0.5) < 0.05


def test_counts_beyond_64_bits_exactly():
    assert Network([3] * 100, [], [0] * 100).size == 3**100
