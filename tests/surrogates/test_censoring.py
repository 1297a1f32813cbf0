"""A measurement that was ended early says that the configuration is at least so bad."""

from __future__ import annotations

import numpy as np
import pytest

from tuner.space import TableSpace
from tuner.surrogates import Objective, Surrogate

SPACE = TableSpace(
    {
        "batch": [b for b in (1, 2, 4, 8) for _ in range(9)],
        "beams": [b for _ in range(4) for b in (1, 2, 3) for _ in range(3)],
        "dtype": [d for _ in range(12) for d in ("a", "b", "c")],
    }
)
OBJECTIVES = (Objective("energy_j", "min", "log"), Objective("accuracy", "max", "linear"))
MEASURED = np.random.default_rng(0).permutation(SPACE.rows_)


def measure(codes):
    energy = [2.0 * c["batch"] ** -0.5 * c["beams"] ** 0.3 for c in SPACE.decode(codes)]
    accuracy = [0.9 - 0.02 * c["beams"] for c in SPACE.decode(codes)]
    return np.stack([energy, accuracy], 1)


def fit(n=8, ended=None, bounds=None):
    codes = MEASURED[:n]
    return Surrogate.fit(
        SPACE,
        codes,
        measure(codes),
        None,
        OBJECTIVES,
        ended=ended,
        bounds=np.array(bounds or []).reshape(-1, 2),
    )


def test_a_bound_that_contradicts_what_was_expected_is_believed():
    ended = MEASURED[20:21]
    expected = measure(ended)[0, 0]
    without = fit().predict(ended)
    known = fit(ended=ended, bounds=[[10 * expected, np.nan]]).predict(ended)
    assert without.mean[0, 0] < 2 * expected
    assert known.mean[0, 0] > 8 * expected


def test_a_bound_that_was_expected_says_nothing():
    ended = MEASURED[20:21]
    without = fit().predict(SPACE.rows_)
    known = fit(ended=ended, bounds=[[measure(ended)[0, 0] / 5, np.nan]]).predict(SPACE.rows_)
    assert known.mean[:, 0] == pytest.approx(without.mean[:, 0], rel=0.05)
    assert known.sd[:, 0] == pytest.approx(without.sd[:, 0], rel=0.2)


def test_it_is_at_least_so_bad_and_may_be_worse():
    ended = MEASURED[20:21]
    bound = 10 * measure(ended)[0, 0]
    known = fit(ended=ended, bounds=[[bound, np.nan]]).predict(ended)
    exact = Surrogate.fit(
        SPACE,
        np.concatenate([MEASURED[:8], ended]),
        np.concatenate([measure(MEASURED[:8]), [[bound, 0.8]]]),
        None,
        OBJECTIVES,
    ).predict(ended)
    assert known.sd[0, 0] > exact.sd[0, 0]


def test_what_is_alike_is_expected_to_be_bad_as_well():
    rows = SPACE.rows_
    new = [r for r in rows if r[2] == 2]  # nothing measured has the third dtype
    codes = np.array([r for r in rows if r[2] != 2])[::3]
    ended = np.array(new[:2])
    bounds = np.stack([20 * measure(ended)[:, 0], np.full(2, np.nan)], 1)
    fits = [
        Surrogate.fit(SPACE, codes, measure(codes), None, OBJECTIVES, ended=e, bounds=b)
        for e, b in ((None, None), (ended, bounds))
    ]
    without, known = (s.predict(np.array(new[2:])).mean[:, 0] for s in fits)
    assert (known > 1.5 * without).all()


def test_an_output_of_which_nothing_is_known_keeps_its_model():
    ended = MEASURED[20:24]
    bounds = [[5.0, np.nan]] * 4
    without, known = (
        fit().predict(SPACE.rows_),
        fit(ended=ended, bounds=bounds).predict(SPACE.rows_),
    )
    assert (known.mean[:, 1] == without.mean[:, 1]).all()
    assert (known.sd[:, 1] == without.sd[:, 1]).all()
    assert (known.mean[:, 0] != without.mean[:, 0]).any()


def test_a_bound_on_what_is_maximised_is_an_upper_one():
    ended = MEASURED[20:21]
    known = fit(ended=ended, bounds=[[np.nan, 0.83]]).predict(ended)
    assert fit().predict(ended).mean[0, 1] > 0.845
    assert known.mean[0, 1] < 0.835


def test_models_with_bounds_can_be_conditioned_on_what_is_pending():
    surrogate = fit(ended=MEASURED[20:21], bounds=[[50.0, np.nan]])
    pending = MEASURED[30:32]
    believed = surrogate.condition_on_mean(pending)
    before, after = surrogate.predict(SPACE.rows_), believed.predict(SPACE.rows_)
    assert after.mean == pytest.approx(before.mean, rel=1e-3)
    assert (after.sd <= before.sd + 1e-6).all()
