"""Recommendations rest on new runs beside the default, not on the luckiest trial."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tuner.advice.paired import PairedMeasurement, observed_points
from tuner.advice.recommend import recommend
from tuner.measure import Failure, Measurement, Metric
from tuner.search import Objective, parse_levels
from tuner.space import Arguments, Configuration
from tuner.study import Record

OBJECTIVES = tuple(
    Objective.parse(t) for t in ("joules_per_request:min", "mean_e2el_ms:min", "accuracy:max")
)


def named(name: str) -> Configuration:
    return Configuration.of({"name": name})


DEFAULT = named("default")


def measured(joules: float, ms: float, right: int, *, noise=(0.99, 1.0, 1.01)) -> Measurement:
    """Ten prompts, the first `right` of them answered well; three rounds that vary by 1 %."""
    scores = tuple(float(i < right) for i in range(10))
    metrics = {
        "joules_per_request": steady(joules, "J", noise),
        "mean_e2el_ms": steady(ms, "ms", noise),
        "accuracy": Metric(right / 10, "1", 0.0, 1.0, 0.0, 10, "graded", (right / 10,) * 3),
    }
    return Measurement(metrics, scores=scores)


def steady(value: float, unit: str, noise) -> Metric:
    repeats = tuple(value * share for share in noise)
    mean = sum(repeats) / len(repeats)
    return Metric(mean, unit, min(repeats), max(repeats), 0.01, 3, "clock", repeats)


def record(number: int, name: str, measurement: Measurement) -> Record:
    values = tuple(measurement.metrics[o.metric].value for o in OBJECTIVES)
    return Record(number, named(name), "complete", measurement, values)


def advise(trials: dict[str, Measurement], truth: dict[str, Measurement], *levels: str):
    """Advice where everything was verified, with what is true, save what failed."""
    failed = {named(name) for name, m in truth.items() if m.failure is not None}
    pairs = {
        named(name): PairedMeasurement(m, truth["default"])
        for name, m in truth.items()
        if named(name) not in failed
    }
    records = [record(i, name, m) for i, (name, m) in enumerate(trials.items())]
    nothing = Arguments({}, {}, {})
    return recommend(
        records,
        OBJECTIVES,
        DEFAULT,
        0.02,
        lambda c: nothing,
        parse_levels(levels),
        pairs,
        failed,
    )


def roles(advice) -> dict[str, str]:
    return {role: r.configuration["name"] for r in advice.recommended for role in r.roles}


def test_a_lucky_trial_is_found_out():
    trials = {
        "default": measured(10, 100, 9),
        "lucky": measured(1, 100, 9),
        "honest": measured(5, 90, 9),
    }
    truth = {**trials, "lucky": measured(12, 100, 9)}
    assert roles(advise(trials, truth))["cheapest"] == "honest"


def test_what_loses_its_accuracy_in_verification_loses_its_name():
    trials = {"default": measured(10, 100, 9), "wrong": measured(1, 10, 9)}
    truth = {**trials, "wrong": measured(1, 10, 6)}
    found = roles(advise(trials, truth))
    assert found["cheapest"] == "default"
    assert found["frugal"] == "wrong"


def test_what_fails_in_verification_is_not_recommended():
    trials = {"default": measured(10, 100, 9), "fragile": measured(1, 10, 9)}
    broken = Measurement({}, "invalid", failure=Failure("crash", "gone"))
    assert set(roles(advise(trials, {**trials, "fragile": broken})).values()) == {"default"}


def test_changes_are_paired_by_round_and_by_prompt():
    slow = (0.5, 1.0, 2.0)
    trials = {"default": measured(10, 100, 9), "half": measured(5, 50, 9)}
    truth = {
        "default": measured(10, 100, 9, noise=slow),
        "half": measured(5, 50, 9, noise=slow),
    }
    half = next(r for r in advise(trials, truth).recommended if r.configuration == named("half"))
    joules, ms, accuracy = half.comparisons
    for comparison in (joules, ms):
        assert comparison.change == pytest.approx(-0.5)
        assert comparison.change_low == pytest.approx(-0.5)
        assert comparison.change_high == pytest.approx(-0.5)
    assert accuracy.change == 0.0
    assert accuracy.change_low < 0 < accuracy.change_high


def test_without_verification_nothing_is_called_verified():
    trials = {"default": measured(10, 100, 9), "other": measured(1, 10, 9)}
    records = [record(i, name, m) for i, (name, m) in enumerate(trials.items())]
    advice = recommend(records, OBJECTIVES, DEFAULT, 0.02, lambda c: Arguments({}, {}, {}))
    assert advice.recommended
    assert not any(r.verified for r in advice.recommended)


def test_a_default_that_never_ran_leaves_the_front_alone():
    other = record(1, "other", measured(1, 10, 9))
    advice = recommend([other], OBJECTIVES, DEFAULT, 0.02, lambda c: Arguments({}, {}, {}))
    assert advice.recommended == ()
    assert [p.configuration for p in advice.front] == [named("other")]


def test_where_the_machine_has_become_slower_what_was_run_side_by_side_is_recommended():
    trials = {"default": measured(10, 100, 9), "good": measured(5, 90, 9)}
    trials |= {f"other{i}": measured(5.2 + i / 100, 91 + i, 9) for i in range(12)}
    truth = {"default": measured(300, 3000, 9), "good": measured(150, 2700, 9)}
    advice = advise(trials, truth)
    assert roles(advice)["cheapest"] == "good"
    good = next(r for r in advice.recommended if r.configuration == named("good"))
    assert good.comparisons[0].change == pytest.approx(-0.5)


def test_what_other_programs_took_of_the_machine_widens_the_interval_and_may_leave_it_unresolved():
    def busy(share):
        trials = {"default": measured(10, 100, 9), "half": measured(5, 50, 9)}
        truth = {name: loaded(m, share) for name, m in trials.items()}
        advice = advise(trials, truth)
        half = next(r for r in advice.recommended if r.configuration == named("half"))
        return half.comparisons[0]

    quiet, some, much = busy(0.0), busy(0.1), busy(0.5)
    assert quiet.resolved
    assert some.resolved
    assert not much.resolved
    assert much.change_low < some.change_low < quiet.change_low
    assert quiet.change_high < some.change_high < much.change_high
    assert much.change_high < 0.1  # half as much, where the default was slowed twofold
    assert much.foreign == 0.5


def loaded(measurement: Measurement, share: float) -> Measurement:
    metric = Metric(share, "1", share, share, 0.0, 3, "clock", (share,) * 3)
    shares = {"foreign_cpu_share": metric, "held_up_share": metric}
    return replace(measurement, metrics={**measurement.metrics, **shares})


def test_where_others_may_have_held_everything_up_nothing_is_claimed():
    trials = {"default": measured(10, 100, 9), "half": measured(5, 50, 9)}
    truth = {name: loaded(m, 1.0) for name, m in trials.items()}
    half = next(r for r in advise(trials, truth).recommended if r.configuration == named("half"))
    for comparison in half.comparisons[:2]:
        assert not comparison.resolved
        assert comparison.change == pytest.approx(-0.5)
        assert comparison.change_low is comparison.change_high is None


def test_an_accuracy_on_all_prompts_gets_no_benefit_of_the_doubt_before_it_is_verified():
    """The verification asks the same prompts: what was wrong stays wrong, and costs time."""
    whole, part = measured(5, 90, 8), measured(5, 90, 8)
    accuracy = replace(part.metrics["accuracy"], n=5, sem=0.15)
    part = replace(part, metrics={**part.metrics, "accuracy": accuracy})
    uncertain = replace(whole.metrics["accuracy"], sem=0.15)
    whole = replace(whole, metrics={**whole.metrics, "accuracy": uncertain})
    records = [
        record(i, name, m)
        for i, (name, m) in enumerate(
            {"default": measured(10, 100, 9), "whole": whole, "part": part}.items()
        )
    ]
    slack = {
        p.configuration["name"]: p.slack for p in observed_points(records, OBJECTIVES, DEFAULT)
    }
    assert slack == {"default": 0.0, "whole": 0.0, "part": 0.15}
