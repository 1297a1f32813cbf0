"""What ends a measurement early, and what gets more time."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tuner.measure import Measurement, Metric
from tuner.run.early_stopping import early_end
from tuner.search import Objective, parse_levels
from tuner.study import Record

OBJECTIVES = tuple(
    Objective.parse(t) for t in ("joules_per_request:min", "mean_e2el_ms:min", "accuracy:max")
)


def metric(value, unit, reach=0.01):
    low, high = value * (1 - reach), value * (1 + reach)
    return Metric(value, unit, low, high, reach * value / 2, 3, "clock", (value,) * 3)


def measured(joules, ms, scores):
    share = sum(scores) / len(scores)
    return Measurement(
        {
            "joules_per_request": metric(joules, "J"),
            "mean_e2el_ms": metric(ms, "ms"),
            "accuracy": Metric(share, "1", 0.0, 1.0, 0.05, len(scores), "graded"),
        },
        scores=tuple(scores),
    )


def ending(*trials, levels=(), limits=("mean_e2el_ms<10x", "joules_per_request<50")):
    """What ends a measurement after these trials; the first is the default."""
    records = [Record(i, f"c{i}", "complete", m, ()) for i, m in enumerate(trials)]
    history = SimpleNamespace(
        space=SimpleNamespace(default="c0"), objectives=OBJECTIVES, complete=records
    )
    return early_end(history, parse_levels(levels), parse_levels(limits), 10)


DEFAULT = measured(10, 100, [1.0] * 8 + [0.0] * 2)


def test_limits_are_of_the_default_or_absolute():
    early = ending(DEFAULT)
    assert {x.metric: x.value for x in early.limits} == {
        "mean_e2el_ms": pytest.approx(1000),
        "joules_per_request": 50,
    }
    assert early.longest_s == pytest.approx(1.0)
    assert "beyond the limit" in early.why(measured(9, 1200, [1.0] * 10))
    assert early.why(measured(9, 900, [1.0] * 10)) is None
    assert {x.metric for x in ending().limits} == {"joules_per_request"}  # no default yet


@pytest.mark.parametrize(
    ("joules", "ms", "scores", "contends"),
    [
        (5, 200, [1.0, 0.0], True),  # cheaper
        (20, 50, [0.0, 0.0], True),  # quicker
        (20, 200, [1.0, 1.0], False),  # as good on these prompts as the default, and worse
        (20, 200, [0.0, 1.0], False),
    ],
)
def test_what_is_behind_in_everything_on_the_same_prompts_gets_no_more_time(
    joules, ms, scores, contends
):
    assert ending(DEFAULT).contends(measured(joules, ms, scores)) == contends


def test_more_right_answers_on_the_same_prompts_make_a_contender():
    default = measured(10, 100, [0.0, 1.0] * 5)
    assert ending(default).contends(measured(20, 200, [1.0, 1.0]))


def test_what_breaks_a_level_beats_nobody():
    rival = measured(1, 500, [1.0] * 10)
    slow = measured(2, 600, [1.0, 1.0])
    assert not ending(DEFAULT, rival).contends(slow)
    assert ending(DEFAULT, rival, levels=["mean_e2el_ms<300"]).contends(slow)
