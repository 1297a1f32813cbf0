"""Searching under service levels, and for progress in a given time."""

from __future__ import annotations

import itertools

import numpy as np
import optuna
import pytest

from tuner.features import read_uvl
from tuner.search import Observation, ParetoSampler
from tuner.space import SearchSpace, TableSpace
from tuner.surrogates import Objective
from tuner.surrogates.service_level import parse_levels

OBJECTIVES = (Objective("energy_j", "min", kind="energy"), Objective("accuracy", "max"))
ROWS = list(itertools.product(("s", "m", "l"), (1, 2, 4, 8, 16, 32), (1, 2, 3, 4, 5, 6)))


@pytest.fixture(scope="module")
def space():
    return TableSpace({n: [r[i] for r in ROWS] for i, n in enumerate(("model", "batch", "beams"))})


def truth(configuration):
    size = {"s": 1.0, "m": 3.0, "l": 9.0}[configuration["model"]]
    batch, beams = configuration["batch"], configuration["beams"]
    energy = size * beams**0.8 * (0.1 + 1 / batch)
    accuracy = 0.9 - 0.4 / size - 0.06 / beams
    ttft = 10 * size**0.7 * batch**0.8
    return energy, accuracy, ttft


def search(space, n, levels, seed=0):
    sampler = ParetoSampler(space, OBJECTIVES, seed=seed, levels=parse_levels(levels))
    study = optuna.create_study(directions=["minimize", "maximize"], sampler=sampler)
    for _ in range(n):
        trial = study.ask()
        energy, accuracy, ttft = truth(space.suggest(trial))
        trial.set_user_attr("tuner:levels", [ttft][: len(sampler.outputs) - 2])
        study.tell(trial, [energy, accuracy])
    return study


def measured_values(space, study):
    return [truth(space.suggest(optuna.trial.FixedTrial(t.params))) for t in study.trials]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_the_best_that_keeps_the_level_is_found_and_most_proposals_keep_it(space, seed):
    everything = [truth(c) for c in space.decode(space.rows())]
    kept = [(e, a) for e, a, t in everything if t < 40]
    cheapest, best = min(e for e, _ in kept), max(a for _, a in kept)
    assert cheapest > min(e for e, *_ in everything)  # the level costs something
    found = measured_values(space, search(space, 30, ["p99_ttft_ms<40"], seed))
    good = [(e, a) for e, a, t in found if t < 40]
    assert min(e for e, _ in good) == pytest.approx(cheapest)
    assert max(a for _, a in good) == pytest.approx(best)
    assert sum(t < 40 for *_, t in found[15:]) > 15 / 2


def test_a_level_relative_to_the_default_moves_with_it(space):
    default = truth(space.default)
    found = measured_values(space, search(space, 25, ["accuracy>=default+0.2"]))
    assert sum(a >= default[1] + 0.2 for _, a, _ in found[12:]) >= 9


def test_where_nothing_can_keep_a_level_the_search_ends_and_says_so(space):
    study = search(space, 30, ["p99_ttft_ms<1"])
    status = study.sampler.status(study)
    assert status.done
    assert "nothing measured keeps the service levels" in status.reason


def test_one_that_can_hardly_be_kept_is_found(space):
    worst = sorted({round(truth(c)[2], 6) for c in space.decode(space.rows())})
    level = f"p99_ttft_ms<={worst[0] * 1.01}"
    found = measured_values(space, search(space, 25, [level]))
    assert min(t for *_, t in found) == pytest.approx(worst[0])


def restarting_space():
    text = """
features
    Engine {abstract}
        mandatory
            Integer blocks {values [1, 2, 3, 4, 5, 6, 7, 8], default 1, role 'load'}
            Integer batch {values [1, 2, 4, 8, 16, 32, 64], log true, default 1, role 'request'}
            Integer beams {values [1, 2, 3, 4, 5, 6], default 1, role 'request'}
"""

    return SearchSpace.from_model(read_uvl(text))


@pytest.mark.slow
def test_progress_in_a_given_time_restarts_the_engine_less_often():
    space = restarting_space()

    def spend(cost_aware):
        sampler, seen = ParetoSampler(space, OBJECTIVES, seed=0, cost_aware=cost_aware), []
        before, restarts = None, 0
        for _ in range(30):
            (code,) = sampler.propose(seen)
            c = space.decode(code[None])[0]
            anew = before is None or c["blocks"] != before["blocks"]
            energy = (1 + (c["blocks"] - 5) ** 2 / 9) * c["beams"] ** 0.8 * (0.1 + 1 / c["batch"])
            accuracy = 0.9 - 0.3 / c["beams"] - 0.01 * c["blocks"]
            seconds = (120.0 if anew else 1.0, 5.0)
            seen.append(Observation(code, [energy, accuracy], seconds=seconds))
            restarts, before = restarts + (anew and len(seen) > len(sampler.design)), c
        return restarts

    cost_aware, cost_unaware = spend(True), spend(False)
    assert cost_aware <= 0.7 * cost_unaware


def test_times_without_a_known_one_change_nothing(space):
    rng = np.random.default_rng(0)
    codes = space.rows()[rng.permutation(len(space.rows()))[:15]]
    seen = [
        Observation(code, truth(c)[:2]) for code, c in zip(codes, space.decode(codes), strict=True)
    ]
    cost_aware, plain = (
        ParetoSampler(space, OBJECTIVES, cost_aware=p).propose(seen) for p in (True, False)
    )
    assert (cost_aware == plain).all()
