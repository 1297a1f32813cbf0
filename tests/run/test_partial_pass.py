"""What is said of all prompts by a configuration that answered the first ones."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.measure import Measurement, Metric
from tuner.run.partial_pass import difficulty, extrapolated


def measured(seconds, right, each_j=1.0):
    """Prompts that took so many seconds, the first `right` of them answered well."""
    n = len(seconds)
    scores = tuple(float(i < right) for i in range(n))
    mean_ms = 1e3 * sum(seconds) / n
    joules = each_j * sum(seconds) / n
    return Measurement(
        {
            "mean_e2el_ms": Metric(mean_ms, "ms", mean_ms, mean_ms, 0.1, 1, "clock", (mean_ms,)),
            "joules_per_request": Metric(joules, "J", None, None, None, 1, "rapl", (joules,)),
            "request_throughput": Metric(5.0, "req/s", None, None, None, 1, "clock", (5.0,)),
            "accuracy": Metric(right / n, "1", 0.0, 1.0, 0.1, n, "graded"),
        },
        scores=scores,
        prompt_seconds=tuple(seconds),
    )


@given(
    st.lists(st.floats(0.1, 10), min_size=3, max_size=20),
    st.floats(0.1, 5),
    st.data(),
)
def test_times_and_energies_in_proportion_to_the_defaults_are_extrapolated_exactly(
    seconds, factor, data
):
    n = data.draw(st.integers(1, len(seconds) - 1))
    default = measured(seconds, len(seconds))
    mine = measured([factor * s for s in seconds[:n]], n)
    found = extrapolated(mine, default, len(seconds))
    for name in ("mean_e2el_ms", "joules_per_request"):
        expected = factor * default.metrics[name].value
        assert found.metrics[name].value == pytest.approx(expected)
    assert found.metrics["request_throughput"] == mine.metrics["request_throughput"]


def test_the_accuracy_is_the_defaults_and_the_difference_on_the_prompts_that_both_answered():
    default = measured([1.0] * 10, 6)  # the first six right: 60 %
    mine = measured([1.0] * 4, 3)  # of the first four, the default had all right
    accuracy = extrapolated(mine, default, 10).metrics["accuracy"]
    assert accuracy.value == pytest.approx(0.6 - 0.25)
    assert accuracy.n == 4
    assert 0 <= accuracy.low < accuracy.value < accuracy.high <= 1
    assert accuracy.sem > 0


def test_a_configuration_that_answers_more_than_the_default_is_compared_on_what_both_answered():
    """A default with no time for more than four prompts, by luck all right, outdoes nobody."""
    default = measured([10.0] * 4, 4)
    mine = measured([1.0] * 40, 24)
    found = extrapolated(mine, default, 40)
    assert found.metrics["accuracy"].value == default.metrics["accuracy"].value == 1.0
    assert found.metrics["accuracy"].n == 4
    assert found.metrics["mean_e2el_ms"] == mine.metrics["mean_e2el_ms"]
    known = [1.0] * 25 + [0.0] * 15  # another configuration has given the default's answers
    more = extrapolated(mine, default, 40, known).metrics["accuracy"]
    assert more.value == pytest.approx(1.0 - 1 / 40)
    assert more.n == 40


def test_where_both_answered_everything_it_stays_as_it_is():
    default = measured([1.0] * 10, 6)
    whole = measured([2.0] * 10, 5)
    assert extrapolated(whole, default, 10) == whole


def test_difficulty_is_relative_to_the_mean_of_all_prompts():
    default = measured([1.0, 1.0, 4.0], 3)
    assert difficulty(default, [0, 1]) == 0.5
    assert difficulty(default, [2]) == 2.0
    assert difficulty(default, range(3)) == 1.0
    assert difficulty(None, [0]) == difficulty(default, []) == difficulty(default, [7]) == 1.0


def test_the_first_token_never_comes_after_the_last():
    default = measured([1.0, 1.0, 4.0], 3)
    mine = measured([1.0, 1.0], 2)
    late = Metric(999.0, "ms", None, None, None, 1, "clock", (999.0,))  # of 1000 ms in all
    mine = replace(mine, metrics={**mine.metrics, "mean_ttft_ms": late})
    found = extrapolated(mine, default, 3).metrics
    assert found["mean_ttft_ms"].value < found["mean_e2el_ms"].value == pytest.approx(2000.0)
