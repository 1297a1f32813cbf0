"""Effects say what a choice does, and keep silent about what does nothing."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tuner.advice.effects import effects, strongest
from tuner.advice.model import fitted_surrogate
from tuner.search import Objective
from tuner.space import TableSpace
from tuner.study import Record

OBJECTIVES = (Objective("energy_j", "min", scale="log"), Objective("accuracy", "max"))


@pytest.fixture(scope="module")
def space():
    rows = list(itertools.product(("a", "b"), (1, 2, 4, 8), (True, False), (1, 2, 3)))
    names = ("mode", "batch", "idle", "beams")
    return TableSpace({n: [row[i] for row in rows] for i, n in enumerate(names)})


def truth(c):
    energy = 10 * (0.5 if c["mode"] == "b" else 1.0) / c["batch"] ** 0.5
    return energy, 0.5 + 0.1 * c["beams"]


@pytest.fixture(scope="module")
def found(space):
    rng = np.random.default_rng(0)
    codes = space.rows()[rng.choice(len(space.rows()), 24, replace=False)]
    records = [Record(i, c, "complete", None, truth(c)) for i, c in enumerate(space.decode(codes))]
    return effects(space, fitted_surrogate(space, OBJECTIVES, records))


def of(found, feature, value, metric):
    return next(e for e in found if (e.feature, e.value, e.metric) == (feature, value, metric))


def test_an_effect_is_what_the_choice_changes_on_average(found):
    energy = of(found, "mode", "b", "energy_j")
    assert energy.relative
    assert energy.low < -0.5 < energy.high
    assert energy.change == pytest.approx(-0.5, abs=0.05)
    accuracy = of(found, "beams", 3, "accuracy")
    assert not accuracy.relative
    assert accuracy.change == pytest.approx(0.15, abs=0.03)


def test_what_changes_nothing_is_not_called_an_effect(found):
    assert not of(found, "idle", True, "energy_j").clear
    assert not of(found, "mode", "a", "accuracy").clear


def test_the_strongest_come_first_and_each_feature_once(found):
    first = strongest(found, 3)
    assert {(e.feature, e.metric) for e in first} == {
        ("mode", "energy_j"), ("batch", "energy_j"), ("beams", "accuracy"),
    }  # fmt: skip
    assert all(e.clear for e in first)


def test_a_handful_of_measurements_says_nothing(space):
    records = [
        Record(i, c, "complete", None, truth(c))
        for i, c in enumerate(space.decode(space.rows()[:5]))
    ]
    assert fitted_surrogate(space, OBJECTIVES, records) is None
