"""Intervals are what the textbooks say, and cover what they promise to cover."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tuner.measure import Metric, accuracy_difference, compare, wilson
from tuner.measure.statistics import estimate_mean, estimate_share, trimmed_mean


def metric(*repeats):
    return Metric(float(np.mean(repeats)), "J", None, None, None, len(repeats), "rapl", repeats)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20))
def test_the_interval_of_a_mean_is_students(values):
    estimate = estimate_mean(values)
    if np.ptp(values) < 1e-6:
        assert estimate.high - estimate.low < 1e-3
        return
    low, high = stats.t.interval(
        0.95, len(values) - 1, loc=np.mean(values), scale=stats.sem(values)
    )
    assert estimate.low == pytest.approx(low, rel=1e-6, abs=1e-6)
    assert estimate.high == pytest.approx(high, rel=1e-6, abs=1e-6)


def test_one_value_has_no_interval():
    estimate = estimate_mean([3.0])
    assert (estimate.value, estimate.sem, estimate.low, estimate.high) == (3.0, None, None, None)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_of_right_and_wrong_answers_is_wilsons(case):
    k, n = case
    expected = stats.binomtest(k, n).proportion_ci(method="wilson")
    assert wilson(k / n, n) == pytest.approx((expected.low, expected.high), abs=1e-9)
    estimate = estimate_share([1.0] * k + [0.0] * (n - k))
    assert estimate.value == k / n
    assert (estimate.low, estimate.high) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_the_interval_of_sampled_accuracy_covers_the_truth():
    rng = np.random.default_rng(0)
    prompts, repeats, trials, covered = 60, 4, 2000, 0
    truth = 0.6
    for _ in range(trials):
        chances = rng.beta(0.6, 0.4, prompts)  # of mean 0.6: some prompts are easy, some hard
        scores = rng.binomial(repeats, chances) / repeats
        estimate = estimate_share(scores.tolist())
        covered += estimate.low <= truth <= estimate.high
    assert 0.93 <= covered / trials <= 0.98


@given(st.lists(st.floats(0.01, 100), min_size=2, max_size=8), st.floats(0.1, 10))
def test_a_common_factor_of_each_round_cancels_out_of_the_ratio(drift, factor):
    ratio = compare(metric(*(factor * d for d in drift)), metric(*drift))
    assert ratio.value == pytest.approx(factor)
    assert ratio.low == pytest.approx(factor)
    assert ratio.high == pytest.approx(factor)


def test_a_ratio_covers_the_truth_under_noise():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(1000):
        drift = np.exp(rng.normal(0, 0.5, 5))
        a, b = (drift * level * np.exp(rng.normal(0, 0.05, 5)) for level in (0.8, 1.0))
        ratio = compare(metric(*a), metric(*b))
        covered += ratio.low <= 0.8 <= ratio.high
    assert 0.93 <= covered / 1000 <= 0.97


@pytest.mark.parametrize(
    ("a", "b"), [((1.0,), (1.0,)), ((1.0, 2.0), (1.0, 2.0, 3.0)), ((1.0, 0.0), (1.0, 1.0))]
)
def test_a_ratio_without_pairs_or_of_nothing_is_refused(a, b):
    with pytest.raises(ValueError, match="ratio needs"):
        compare(metric(*a), metric(*b))


def test_the_difference_of_accuracies_covers_the_truth_also_where_few_prompts_differ():
    rng = np.random.default_rng(0)
    for a_only, b_only in ((0.02, 0.02), (0.1, 0.02), (0.3, 0.2)):
        covered = 0
        for _ in range(1000):
            kind = rng.choice(3, 80, p=[a_only, b_only, 1 - a_only - b_only])
            _, low, high = accuracy_difference(
                (kind == 0).astype(float).tolist(), (kind == 1).astype(float).tolist()
            )
            covered += low <= a_only - b_only <= high
        assert covered / 1000 >= 0.93


def test_equal_answers_do_not_prove_equal_accuracy():
    difference, low, high = accuracy_difference([1.0] * 40, [1.0] * 40)
    assert difference == 0
    assert low < -0.02
    assert high > 0.02


def test_scores_of_other_prompts_cannot_be_paired():
    with pytest.raises(ValueError, match="cannot be paired"):
        accuracy_difference([1.0], [1.0, 0.0])
    with pytest.raises(ValueError, match="cannot be paired"):
        accuracy_difference([], [])


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=25))
def test_the_trimmed_mean_is_scipys_and_few_values_are_not_trimmed(values):
    estimate = trimmed_mean(values)
    if len(values) < 6:
        assert estimate == estimate_mean(values)
        return
    assert estimate.value == pytest.approx(stats.trim_mean(values, 0.2), abs=1e-9)
    assert estimate.low <= estimate.value <= estimate.high


def test_one_burst_among_six_blocks_moves_the_ratio_hardly():
    quiet = [1.02, 0.98, 1.01, 0.99, 1.0, 1.0]
    hit = [*quiet[:-1], 50.0]
    ratio = compare(metric(*hit), metric(1.0, 1.0, 1.0, 1.0, 1.0, 1.0))
    assert 0.95 < ratio.low < 1 < ratio.high < 1.06


@pytest.mark.parametrize("blocks", [6, 8, 12, 20])
@pytest.mark.parametrize("tail", ["normal", "bursts", "student"])
def test_the_interval_of_a_ratio_covers_the_truth_under_disturbances_with_heavy_tails(blocks, tail):
    """One window in twenty is up to ten times slower, or the noise has three degrees of freedom."""
    rng = np.random.default_rng(blocks)
    covered = narrow = 0
    trials = 1500
    for _ in range(trials):
        logs = 0.03 * rng.standard_normal((2, blocks))
        if tail == "student":
            logs = 0.03 * rng.standard_t(3, (2, blocks))
        if tail == "bursts":
            logs += (rng.random((2, blocks)) < 0.05) * rng.uniform(0, np.log(10), (2, blocks))
        a, b = np.exp(logs)
        ratio = compare(metric(*(0.5 * a)), metric(*b))
        covered += ratio.low <= 0.5 <= ratio.high
        narrow += ratio.high / ratio.low < 1.25
    assert covered / trials > 0.93
    assert narrow / trials > (0.75 if tail == "normal" else 0.3)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5])
def test_foreign_load_that_slows_only_one_of_two_never_makes_the_interval_wrong(share):
    """Others that take a share f stretch a window to at most 1 / (1 - f) of its quiet time."""
    quiet_a, quiet_b = 5.0, 10.0
    for slow_a in np.linspace(1, 1 / (1 - share), 5):
        for slow_b in np.linspace(1, 1 / (1 - share), 5):
            a, b = metric(*[quiet_a * slow_a] * 6), metric(*[quiet_b * slow_b] * 6)
            ratio = compare(a, b, (share, share))
            assert ratio.low <= quiet_a / quiet_b * (1 + 1e-9)
            assert ratio.high >= quiet_a / quiet_b * (1 - 1e-9)
