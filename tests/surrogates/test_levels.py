"""What service levels say, and what is refused as one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.errors import UserError
from tuner.surrogates import Objective, OutcomeTransform
from tuner.surrogates.service_level import (
    goodput_bounds,
    limits_of,
    modelled_outputs,
    parse_levels,
)


@pytest.mark.parametrize(
    ("text", "metric", "direction", "limit"),
    [
        ("p99_ttft_ms<500", "p99_ttft_ms", "min", 500.0),
        ("mean_tpot_ms <= 30.5", "mean_tpot_ms", "min", 30.5),
        ("accuracy>=0.9", "accuracy", "max", 0.9),
        ("accuracy>=default-0.01", "accuracy", "max", 0.79),
        ("accuracy >= default", "accuracy", "max", 0.8),
        ("accuracy>default * 0.5", "accuracy", "max", 0.4),
        ("mean_e2el_ms<default*1.5", "mean_e2el_ms", "min", 15.0),
        ("mean_e2el_ms<1.5x", "mean_e2el_ms", "min", 15.0),
        ("accuracy >= 0.5 x", "accuracy", "max", 0.4),
        ("energy_j<1e-3", "energy_j", "min", 0.001),
    ],
)
def test_a_comparison_is_a_level(text, metric, direction, limit):
    (level,) = parse_levels([text])
    assert (level.metric, level.direction) == (metric, direction)
    assert limits_of([level], {"accuracy": 0.8, "mean_e2el_ms": 10.0}) == [pytest.approx(limit)]


def test_bounds_for_each_request_are_promised_to_99_of_100():
    levels = parse_levels(["ttft:500 tpot:50", "accuracy>=0.5"])
    assert [(x.metric, x.bound) for x in levels] == [
        ("p99_ttft_ms", 500.0),
        ("p99_tpot_ms", 50.0),
        ("accuracy", 0.5),
    ]
    assert goodput_bounds(["ttft:500 tpot:50", "accuracy>=0.5"]) == {"ttft": 500.0, "tpot": 50.0}


@pytest.mark.parametrize(
    "text",
    ["", "p99_ttft_ms", "ttft:fast", "a<b", "a==3", "ttft:5 x:3", "a<default/2", "a<x", "1<2"],
)
def test_anything_else_is_refused_with_both_forms_shown(text):
    with pytest.raises(UserError, match=r"p99_ttft_ms<500.*ttft:500 tpot:50"):
        parse_levels([text])


def test_a_level_on_an_objective_needs_no_model_of_its_own():
    objectives = (Objective("mean_e2el_ms", "min", "log"), Objective("accuracy", "max"))
    levels = parse_levels(["mean_e2el_ms<5", "p99_ttft_ms<1", "accuracy>=0.9", "p99_ttft_ms<0.5"])
    assert [o.metric for o in modelled_outputs(objectives, levels)] == [
        "mean_e2el_ms",
        "accuracy",
        "p99_ttft_ms",
    ]


@given(
    values=st.lists(st.floats(0.01, 1e4), min_size=4, max_size=30),
    limit=st.floats(0.0, 2e4),
    direction=st.sampled_from(["min", "max"]),
)
def test_a_measured_value_keeps_a_limit_exactly_where_it_seems_to(values, limit, direction):
    objective, array = Objective("x", direction), np.array(values)
    transform = OutcomeTransform.of(array, objective)
    bound = transform.transform_limit(limit)
    (level,) = parse_levels([f"x{'<=' if direction == 'min' else '>='}{limit!r}"])
    clip = (transform.centre - transform.upper_clip) / transform.spread
    for value, transformed in zip(values, transform.transform(array), strict=True):
        if abs(value - limit) > 1e-6 * max(1.0, limit):
            cut = transformed <= clip + 1e-5
            assert (transformed >= bound) == level.holds(value, limit) or cut
            assert transformed < bound or level.holds(value, limit) or not cut
