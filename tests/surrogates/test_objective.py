"""Objectives as people write them: a metric, its direction, a scale, a kind."""

from __future__ import annotations

import pytest

from tuner.errors import UserError
from tuner.metrics import METRICS
from tuner.surrogates import Objective


@pytest.mark.parametrize(
    ("text", "objective"),
    [
        ("energy_j:min", Objective("energy_j", "min", None, "energy")),
        ("output_throughput:max", Objective("output_throughput", "max", None, "throughput")),
        ("accuracy:max:linear", Objective("accuracy", "max", "linear", "accuracy")),
        ("my_score:max", Objective("my_score", "max", None, "other")),
        ("my_score:max:accuracy", Objective("my_score", "max", None, "accuracy")),
        ("my_score:accuracy:logit:max", Objective("my_score", "max", "logit", "accuracy")),
        ("wait_s:min:latency:log", Objective("wait_s", "min", "log", "latency")),
    ],
)
def test_what_is_written_is_what_is_meant(text, objective):
    assert Objective.parse(text) == objective


@pytest.mark.parametrize(
    "text", ["", "accuracy", ":min", "x:least", "x:min:max", "x:min:energy:memory", "x:min:log:log"]
)
def test_what_is_no_objective_is_refused_with_the_form_that_is(text):
    with pytest.raises(UserError, match="METRIC:min"):
        Objective.parse(text)


def test_a_known_metric_is_suggested_with_its_direction():
    with pytest.raises(UserError, match="Did you mean output_throughput:max"):
        Objective.parse("output_throughput")


def test_a_name_says_nothing_of_a_metric_of_ones_own():
    assert Objective.parse("latency_of_mine:min").kind == "other"
    assert Objective.parse("energy_of_mine:min").depends_on is None


def test_throughput_depends_on_what_affects_latency():
    assert Objective.parse("request_throughput:max").depends_on == "latency"
    assert Objective.parse("peak_memory_mb:min").depends_on is None


def test_every_metric_has_a_kind_and_the_direction_of_its_kind():
    for metric in METRICS.values():
        if metric.kind in ("throughput", "accuracy"):
            assert metric.direction == "max"
        else:
            assert metric.direction == "min"
