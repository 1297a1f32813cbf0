"""Fronts, hypervolumes and boxes against independent ways to compute them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from botorch.utils.multi_objective.hypervolume import Hypervolume
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tuner.search import Objective, hypervolume, hypervolume_share, non_dominated
from tuner.search.pareto import free_boxes, minimal

coarse = st.integers(0, 5).map(float)


def points(m, most=10):
    return st.integers(0, most).flatmap(lambda n: arrays(np.float64, (n, m), elements=coarse))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 3).flatmap(points))
def test_hypervolume_counts_the_unit_cubes_that_are_dominated(front):
    m = front.shape[1]
    cubes = np.stack(np.meshgrid(*[np.arange(6)] * m, indexing="ij"), -1).reshape(-1, m)
    covered = (cubes[:, None] >= front[None]).all(2).any(1)
    assert hypervolume(front, np.full(m, 6.0)) == pytest.approx(covered.sum())


@pytest.mark.parametrize("m", [2, 3, 4])
def test_hypervolume_agrees_with_botorch(m):
    front = np.random.default_rng(m).random((40, m))
    reference = np.full(m, 0.9)
    theirs = Hypervolume(torch.tensor(-reference)).compute(torch.tensor(-front[minimal(front)]))
    assert hypervolume(front, reference) == pytest.approx(theirs)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 3).flatmap(points), st.integers(0, 2**32 - 1))
def test_free_boxes_are_disjoint_and_fill_what_is_not_dominated(front, seed):
    m = front.shape[1]
    lower, upper = free_boxes(front, np.full(m, 4.5))
    probes = np.random.default_rng(seed).uniform(-1, 5.5, (200, m))
    inside = (probes[:, None] > lower) & (probes[:, None] < upper)
    hits = inside.all(2).sum(1)
    dominated = (probes[:, None] >= front[None]).all(2).any(1)
    free = ~dominated & (probes < 4.5).all(1)
    assert (hits == free).all()


@settings(max_examples=60, deadline=None)
@given(points(3, most=15))
def test_non_dominated_is_what_no_other_row_beats(values):
    objectives = [Objective("a", "min"), Objective("b", "max"), Objective("c", "min")]
    turned = values * [1, -1, 1]
    beaten = [
        any((other <= row).all() and (other < row).any() for other in turned) for row in turned
    ]
    assert non_dominated(values, objectives).tolist() == [not b for b in beaten]


def test_rows_without_a_number_are_never_on_the_front():
    objectives = [Objective("a", "min"), Objective("b", "min")]
    values = np.array([[np.nan, 0.0], [np.inf, 0.0], [1.0, 1.0]])
    assert non_dominated(values, objectives).tolist() == [False, False, True]


@settings(max_examples=40, deadline=None)
@given(points(2, most=12), st.floats(0.1, 100), st.floats(0.1, 100))
def test_a_share_does_not_depend_on_units_and_never_falls(values, a, b):
    objectives = [Objective("a", "min", "linear"), Objective("b", "max", "linear")]
    if not len(values):
        return
    shares = [
        hypervolume_share(values[:k], objectives, among=values) for k in range(1, len(values) + 1)
    ]
    assert all(x <= y + 1e-12 for x, y in pairwise(shares))
    assert shares[-1] == pytest.approx(1.0)
    assert hypervolume_share(values * [a, b], objectives) == pytest.approx(
        hypervolume_share(values, objectives)
    )


@pytest.mark.parametrize("text", ["energy", "energy:less", ":min", "e:min:cube", "e:min:log:log"])
def test_what_is_no_objective_is_refused_in_a_sentence(text):
    from tuner.errors import UserError

    with pytest.raises(UserError, match="no objective"):
        Objective.parse(text)
