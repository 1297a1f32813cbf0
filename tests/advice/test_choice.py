"""Names are given by what a configuration is, and promise what they say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.advice.choice import FRUGAL_SHARE, Point, RoleSelector, front, merge
from tuner.search import Objective
from tuner.space import Configuration

OBJECTIVES = tuple(
    Objective.parse(t) for t in ("joules_per_request:min", "mean_e2el_ms:min", "accuracy:max")
)
DEFAULT = (10.0, 100.0, 0.9)


def point(name: str, *values: float) -> Point:
    return Point(Configuration.of({"name": name}), values)


def names(chosen) -> dict[str, str]:
    return {role: c["name"] for role, c in chosen.items()}


def choose(*points: Point, tolerance: float = 0.02) -> dict[str, str]:
    return names(RoleSelector(OBJECTIVES, DEFAULT, tolerance).choose(points))


def test_each_role_goes_to_the_best_of_its_kind():
    chosen = choose(
        point("slow-cheap", 2, 300, 0.9),
        point("fast", 9, 20, 0.89),
        point("exact", 12, 120, 0.97),
        point("middle", 4, 50, 0.9),
        point("tiny", 1, 30, 0.6),
    )
    assert chosen == {
        "cheapest": "slow-cheap",
        "fastest": "fast",
        "most accurate": "exact",
        "balanced": "middle",
        "frugal": "tiny",
    }


def test_no_promise_of_accuracy_is_broken_beyond_the_tolerance():
    wrong = point("wrong", 1, 10, 0.87)
    right = point("right", 8, 80, 0.9)
    assert choose(wrong, right, tolerance=0.02)["cheapest"] == "right"
    assert choose(wrong, right, tolerance=0.04)["cheapest"] == "wrong"


def test_an_accuracy_that_is_not_certain_yet_gets_the_benefit_of_the_doubt():
    unsure = Point(Configuration.of({"name": "unsure"}), (1.0, 10.0, 0.87), slack=0.02)
    assert choose(unsure, point("right", 8, 80, 0.9))["cheapest"] == "unsure"


def test_what_is_wrong_most_of_the_time_is_never_frugal():
    assert "frugal" not in choose(point("right", 8, 80, 0.9), point("useless", 0.1, 1, 0.44))


def test_balanced_loses_the_least_of_what_it_loses_most():
    ends = point("cheap", 1, 1000, 0.9), point("fast", 100, 10, 0.9)
    chosen = choose(*ends, point("near-cheap", 1.5, 600, 0.9), point("knee", 8, 120, 0.9))
    assert chosen["balanced"] == "knee"


def test_repeats_of_a_configuration_are_averaged():
    c = Configuration.of({"name": "a"})
    assert merge([Point(c, (1.0, 2.0)), Point(c, (3.0, 6.0))]) == [Point(c, (2.0, 4.0))]


values = st.tuples(
    st.floats(0.1, 100), st.floats(1, 1000), st.integers(0, 10).map(lambda k: k / 10)
)


@given(st.lists(values, min_size=1, max_size=12), st.floats(0, 0.3))
def test_laws_of_choosing(rows, tolerance):
    points = [point(str(i), *row) for i, row in enumerate(rows)]
    by_configuration = {p.configuration: p.values for p in points}
    on_front = {p.configuration for p in front(points, OBJECTIVES)}
    chosen = RoleSelector(OBJECTIVES, DEFAULT, tolerance).choose(points)
    assert set(chosen.values()) <= on_front
    for role, configuration in chosen.items():
        accuracy = by_configuration[configuration][2]
        if role in ("cheapest", "fastest", "balanced"):
            assert accuracy >= DEFAULT[2] - tolerance - 1e-9
        if role == "frugal":
            assert accuracy >= FRUGAL_SHARE * DEFAULT[2] - 1e-9
    assert by_configuration[chosen["most accurate"]][2] == max(row[2] for row in rows)


@given(st.lists(values, min_size=1, max_size=12))
def test_the_front_is_what_nothing_dominates(rows):
    points = [point(str(i), *row) for i, row in enumerate(rows)]
    signed = np.array(rows) * [1, 1, -1]
    expected = [
        p
        for p, mine in zip(points, signed, strict=True)
        if not any((o <= mine).all() and (o < mine).any() for o in signed)
    ]
    assert front(points, OBJECTIVES) == expected


def test_candidates_hold_every_choice_and_stay_within_the_limit():
    points = [point(str(i), 1 + i, 100 - 5 * i, 0.9) for i in range(12)]
    chooser = RoleSelector(OBJECTIVES, DEFAULT, 0.02)
    for limit in (1, 3, 6):
        candidates = chooser.candidates(points, limit)
        assert len(candidates) == len(set(candidates)) <= limit
    assert set(chooser.choose(points).values()) <= set(chooser.candidates(points, 6))


def test_without_an_accuracy_nothing_is_promised_about_it():
    objectives = OBJECTIVES[:2]
    chosen = RoleSelector(objectives, DEFAULT[:2], 0.02).choose(
        [point("cheap", 1, 90), point("fast", 5, 10)]
    )
    assert names(chosen)["cheapest"] == "cheap"
    assert names(chosen)["fastest"] == "fast"


@pytest.mark.parametrize("default", [(10.0, 100.0, 0.0)])
def test_a_default_that_is_always_wrong_binds_nobody(default):
    chosen = RoleSelector(OBJECTIVES, default, 0.02).choose([point("a", 1, 1, 0.0)])
    assert chosen["cheapest"]["name"] == "a"
