"""Service levels are hard lines in the recommendation, and each says how surely it holds."""

from __future__ import annotations

import pytest
from scipy.stats import t
from test_recommend import advise, measured, named

from tuner.advice.slo import LevelCheck, check_levels, unmet
from tuner.search import parse_levels


def names(advice):
    return {r.configuration["name"] for r in advice.recommended}


TRIALS = {
    "default": measured(10, 100, 9),
    "slow": measured(2, 400, 9),
    "quick": measured(5, 120, 9),
}


def test_what_breaks_a_level_is_never_recommended_however_cheap():
    assert "slow" in names(advise(TRIALS, TRIALS))
    advice = advise(TRIALS, TRIALS, "mean_e2el_ms<200")
    assert names(advice) == {"quick", "default"}
    assert advice.unmet is None
    for recommendation in advice.recommended:
        (check,) = recommendation.levels
        assert check.holds
        assert check.limit == 200
        assert check.probability > 0.99


def test_the_verification_decides_not_the_trial():
    truth = {**TRIALS, "quick": measured(5, 250, 9)}
    assert names(advise(TRIALS, truth, "mean_e2el_ms<200")) == {"default"}


def test_a_level_relative_to_the_default_uses_the_default_of_the_same_rounds():
    truth = {**TRIALS, "default": measured(10, 50, 9)}
    advice = advise(TRIALS, truth, "mean_e2el_ms<=default*1.5")
    assert names(advice) == {"default"}
    (check,) = advice.recommended[0].levels
    assert check.limit == pytest.approx(75)
    assert check.probability == 1.0


def test_where_nothing_keeps_them_all_it_says_which_binds_and_what_is_closest():
    advice = advise(TRIALS, TRIALS, "mean_e2el_ms<300", "joules_per_request<1")
    assert advice.recommended == ()
    assert advice.unmet.binding == "joules_per_request<1"
    assert (advice.unmet.kept_by, advice.unmet.measured) == (0, 3)
    assert advice.unmet.closest == named("slow")
    excess = {c.level: c.excess for c in advice.unmet.checks}
    assert excess["joules_per_request<1"] == pytest.approx(1.0)
    assert excess["mean_e2el_ms<300"] == pytest.approx(1 / 3)


def test_the_chance_is_students_by_the_scatter_of_the_repeats():
    measurement = measured(10, 100, 9, noise=(0.9, 1.0, 1.1))
    (check,) = check_levels(parse_levels(["mean_e2el_ms<101"]), measurement, None)
    sem = measurement.metrics["mean_e2el_ms"].sem
    assert check.probability == pytest.approx(t.cdf(1 / sem, 2))
    assert check.excess == pytest.approx(-1 / 101)


def test_levels_kept_one_by_one_but_not_together_are_unmet():
    levels = parse_levels(["mean_e2el_ms<150", "joules_per_request<3"])
    found = unmet({named(n): check_levels(levels, m, None) for n, m in TRIALS.items()})
    assert found.kept_by == 1
    assert found.binding == "joules_per_request<3"
    assert found.closest == named("quick")


def test_a_check_is_written_under_the_key_that_readers_of_earlier_results_know():
    for check in (
        c for r in advise(TRIALS, TRIALS, "mean_e2el_ms<200").recommended for c in r.levels
    ):
        written = check.to_dict()
        assert written["chance"] == check.probability
        assert "probability" not in written
        assert LevelCheck.from_dict(written) == check
