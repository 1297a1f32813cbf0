"""A reference measured now and then takes the drift of a machine out of what is in between."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tuner.measure import Measurement, Metric, Reference, corrected, correction


def metric(value, relative=0.01):
    reach = 1.96 * relative * value
    return Metric(value, "ms", value - reach, value + reach, relative * value, 3, "clock", (value,))


def reference(at_s, value, relative=0.01):
    return Reference(at_s, Measurement({"t": metric(value, relative)}))


def study(rng, n=60, every=5, drift=0.05, noise=0.01):
    """Times of one configuration on a machine that wanders, a reference every few trials."""
    wander = np.cumsum(drift * rng.standard_normal(n))
    logs = wander + noise * rng.standard_normal(n)
    references = [
        reference(i, 7.0 * math.exp(wander[i] + noise * rng.standard_normal()), noise)
        for i in range(0, n, every)
    ]
    return wander, np.exp(logs), references


def test_what_is_left_of_the_spread_is_at_most_half():
    rng = np.random.default_rng(0)
    left = []
    for _ in range(20):
        _, times, references = study(rng)
        ratios = [t / correction(references, "t", i).value for i, t in enumerate(times)]
        left.append(np.std(np.log(ratios)) / np.std(np.log(times)))
    assert np.median(left) < 0.5


def test_the_interval_covers_what_the_machine_really_did():
    rng = np.random.default_rng(1)
    inside = []
    for _ in range(60):
        wander, _, references = study(rng)
        for i in range(1, 60):
            ratio = correction(references, "t", i)
            # The first reference's own noise is common to all, and no part of the interval.
            first = math.log(references[0].measurement.metrics["t"].value / 7.0)
            inside.append(ratio.low <= math.exp(wander[i] - first) <= ratio.high)
    assert 0.9 <= np.mean(inside) <= 0.99


def test_a_steady_machine_is_left_alone():
    references = [reference(at, 7.0) for at in (0, 10, 20)]
    for at in (-5, 0, 7, 20, 99):
        ratio = correction(references, "t", at)
        assert ratio.value == pytest.approx(1.0)
        assert ratio.low < 1 < ratio.high


def test_it_is_interpolated_between_references_and_held_beyond_them():
    references = [reference(10, 4.0), reference(0, 1.0), reference(20, 16.0)]
    for at, value in ((0, 1), (5, 2), (10, 4), (15, 8), (20, 16), (25, 16), (-3, 1)):
        assert correction(references, "t", at).value == pytest.approx(value)
    near, far = (correction(references, "t", at) for at in (21, 60))
    assert far.high / far.low > near.high / near.low


def test_too_few_references_correct_nothing():
    assert correction([], "t", 0) is None
    assert correction([reference(0, 1.0)], "t", 0) is None
    assert correction([reference(0, 1.0), reference(0, 2.0)], "t", 0) is None
    assert correction([reference(0, 1.0), reference(1, 2.0)], "other", 0) is None


def test_a_corrected_metric_is_less_certain_than_either_part():
    references = [reference(0, 1.0, 0.03), reference(10, 2.0, 0.03)]
    ratio = correction(references, "t", 5)
    before = metric(3.0, 0.02)
    after = corrected(before, ratio)
    assert after.value == pytest.approx(3.0 / math.sqrt(2))
    assert after.sem / after.value > max(0.02, math.log(ratio.high / ratio.value) / 1.96)
    assert after.low < after.value < after.high
    assert after.repeats == pytest.approx((after.value,))
    once = Metric(3.0, "ms", None, None, None, 1, "clock", (3.0,))
    assert corrected(once, ratio).sem is None
