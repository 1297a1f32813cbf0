"""The energy of a workload from its bins."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.measure import Metric
from tuner.workloads import Grid, Trace, binned_requests, bins, drawn_requests, workload_energy

requests = st.lists(st.tuples(st.integers(1, 9000), st.integers(1, 600)), min_size=1, max_size=40)


def joules(value, sem=None, n=1, source="rapl"):
    return Metric(value, "J", None, None, sem, n, source)


def found_bins(pairs):
    inputs, outputs = zip(*pairs, strict=True)
    return bins(Trace("made", inputs, outputs))


@given(requests, st.integers(1, 16), st.floats(0.1, 10), st.floats(0.1, 10))
def test_energy_is_linear_in_the_bins_energies_and_in_the_requests(pairs, batch, a, b):
    found = found_bins(pairs)
    one = {bin_.corner: joules(k + 1.0) for k, bin_ in enumerate(found)}
    other = {bin_.corner: joules(100.0 - k) for k, bin_ in enumerate(found)}
    mixed = {c: joules(a * one[c].value + b * other[c].value) for c in one}
    separate = (workload_energy(found, each, batch).joules for each in (one, other))
    first, second = separate
    assert workload_energy(found, mixed, batch).joules == pytest.approx(a * first + b * second)
    twice = workload_energy(found_bins(pairs * 2), one, batch)
    assert twice.joules == pytest.approx(2 * first)
    assert twice.requests == 2 * len(pairs)


@given(requests, st.integers(1, 16))
def test_batches_that_are_partly_filled_count_their_share_or_as_whole_ones(pairs, batch):
    found = found_bins(pairs)
    measured = {one.corner: joules(1.0) for one in found}
    share = workload_energy(found, measured, batch)
    whole = workload_energy(found, measured, batch, partly="whole")
    assert share.joules == pytest.approx(len(pairs) / batch)
    assert whole.joules == sum(math.ceil(one.n / batch) for one in found) == whole.batches
    assert share.joules <= whole.joules + 1e-9
    assert sum(share.parts.values()) == pytest.approx(share.joules)
    assert share.joules_per_request == pytest.approx(1 / batch)


def test_the_interval_is_that_of_one_measurement_where_there_is_one_bin():
    from scipy.stats import t

    found = found_bins([(10, 4)] * 6)
    energy = workload_energy(found, {(32, 8): joules(5.0, sem=0.2, n=5)}, batch=2)
    assert energy.joules == 15
    assert energy.sem == pytest.approx(0.6)
    assert energy.high - energy.joules == pytest.approx(t.ppf(0.975, 4) * 0.6)
    assert energy.joules - energy.low == pytest.approx(t.ppf(0.975, 4) * 0.6)


def test_the_interval_covers_the_truth_as_often_as_it_says():
    """Bins of unequal noise and few repeats, where a normal interval would be too narrow."""
    rng = random.Random(5)
    found = found_bins([(10, 4)] * 8 + [(100, 4)] * 4 + [(1000, 4)] * 20)
    truth = {(32, 8): (1.0, 0.3), (128, 8): (5.0, 0.2), (1024, 8): (30.0, 4.0)}
    exact = workload_energy(found, {c: joules(m) for c, (m, _) in truth.items()}, 4).joules
    inside = 0
    for _ in range(1000):
        measured = {}
        for corner, (mean, spread) in truth.items():
            repeats = [rng.gauss(mean, spread) for _ in range(4)]
            value = sum(repeats) / 4
            sem = math.sqrt(sum((r - value) ** 2 for r in repeats) / 3 / 4)
            measured[corner] = joules(value, sem, 4)
        energy = workload_energy(found, measured, 4)
        inside += energy.low <= exact <= energy.high
    assert 930 <= inside <= 970


def test_there_is_no_interval_where_a_bin_was_measured_once():
    found = found_bins([(10, 4), (100, 4)])
    energy = workload_energy(found, {(32, 8): joules(1, 0.1, 3), (128, 8): joules(2)}, 1)
    assert (energy.joules, energy.sem, energy.low, energy.high) == (3, None, None, None)


def test_what_was_not_measured_or_cannot_be_added_is_refused():
    found = found_bins([(10, 4), (100, 4)])
    with pytest.raises(ValueError, match=r"\(128, 8\)"):
        workload_energy(found, {(32, 8): joules(1)}, 1)
    mixed = {(32, 8): joules(1), (128, 8): joules(2, source="estimated")}
    with pytest.raises(ValueError, match="sources"):
        workload_energy(found, mixed, 1)


def fill(n, seed):
    return f"{n} {seed}"


@given(requests, st.integers(1, 5))
def test_the_batch_of_a_bin_has_its_greatest_lengths(pairs, batch):
    asked = binned_requests(found_bins(pairs), fill, batch)
    assert set(asked) == {Grid().corner(*pair) for pair in pairs}
    assert len({r.prompt for some in asked.values() for r in some}) == batch * len(asked)
    for corner, some in asked.items():
        assert all((int(r.prompt.split()[0]), r.max_tokens) == corner for r in some)
        assert all(r.min_tokens == r.max_tokens for r in some)


@given(requests, st.integers(1, 5), st.integers(0, 3))
def test_drawn_requests_have_lengths_of_their_bin(pairs, batch, seed):
    inputs, outputs = zip(*pairs, strict=True)
    trace = Trace("made", inputs, outputs)
    asked = drawn_requests(trace, fill, batch, seed=seed)
    assert asked == drawn_requests(trace, fill, batch, seed=seed)
    assert set(asked) == {Grid().corner(*pair) for pair in pairs}
    assert len({r.prompt for some in asked.values() for r in some}) == batch * len(asked)
    for corner, some in asked.items():
        drawn = [(int(r.prompt.split()[0]), r.max_tokens) for r in some]
        assert len(drawn) == batch
        assert set(drawn) <= set(pairs)
        assert all(Grid().corner(*pair) == corner for pair in drawn)


def test_drawn_requests_have_no_bias_from_binning():
    """An energy that is linear in both lengths comes out right, within its interval."""
    rng = random.Random(1)
    pairs = [(rng.randint(1, 4000), rng.randint(1, 500)) for _ in range(400)]
    trace = Trace("made", *map(tuple, zip(*pairs, strict=True)))

    def cost(some):
        return sum(0.01 * int(r.prompt.split()[0]) + r.max_tokens for r in some)

    repeats = [drawn_requests(trace, fill, 4, seed=seed) for seed in range(30)]
    measured = {}
    for corner in repeats[0]:
        values = [cost(asked[corner]) for asked in repeats]
        value = sum(values) / 30
        sem = math.sqrt(sum((v - value) ** 2 for v in values) / 29 / 30)
        measured[corner] = joules(value, sem, 30)
    energy = workload_energy(bins(trace), measured, 4)
    assert energy.low <= sum(0.01 * i + o for i, o in pairs) <= energy.high
    assert energy.high - energy.low < 0.05 * energy.joules


@pytest.mark.parametrize("batch", [0, -1])
def test_an_empty_batch_is_refused(batch):
    trace = Trace("made", (1,), (1,))
    with pytest.raises(ValueError, match="batch"):
        binned_requests(bins(trace), fill, batch)
    with pytest.raises(ValueError, match="batch"):
        drawn_requests(trace, fill, batch)
