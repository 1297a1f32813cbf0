"""Measurements that were ended early, and limits of interest: what the sampler makes of them."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import optuna
import pytest

from tuner.errors import UserError
from tuner.features import read_uvl
from tuner.search import Observation, ParetoSampler
from tuner.search.cost import CostModel, expected_seconds
from tuner.search.dataset import Dataset
from tuner.search.sampler import BOUNDS, SECONDS
from tuner.space import SearchSpace, TableSpace
from tuner.surrogates import Objective
from tuner.surrogates.service_level import parse_levels

optuna.logging.set_verbosity(optuna.logging.WARNING)

OBJECTIVES = (
    Objective("energy_j", "min", "log", "energy"),
    Objective("latency_ms", "min", "log", "latency"),
)
ROWS = list(itertools.product(("a", "b", "c"), (1, 2, 4, 8, 16), (1, 2, 3, 4)))
PRUNED = optuna.trial.TrialState.PRUNED


@pytest.fixture(scope="module")
def space():
    return TableSpace({n: [r[i] for r in ROWS] for i, n in enumerate(("kind", "batch", "beams"))})


def truth(configuration):
    kind = {"a": 1.0, "b": 1.2, "c": 40.0}[configuration["kind"]]
    batch, beams = configuration["batch"], configuration["beams"]
    return kind * beams * (0.2 + 1 / batch), kind * beams**0.5 * (1 + 0.2 * batch)


def seen_of(space, n, limit=np.inf):
    """What is seen where a measurement ends as its energy goes beyond a limit."""
    rows = np.random.default_rng(1).permutation(space.rows_)[:n]
    found = []
    for code, c in zip(rows, space.decode(rows), strict=True):
        values = truth(c)
        if values[0] > limit:
            found.append(Observation(code, bounds=(limit, None), seconds=(1.0, 2.0)))
        else:
            found.append(Observation(code, values, seconds=(1.0, 10 * values[0])))
    return found


def test_what_was_ended_is_known_and_not_proposed_again(space):
    seen = seen_of(space, 14, limit=8.0)
    ended = [s.code.tobytes() for s in seen if s.bounds]
    assert len(ended) >= 3
    sampler = ParetoSampler(space, OBJECTIVES)
    dataset = sampler._dataset(seen)
    assert len(dataset.codes) + len(dataset.ended) == 14
    proposed = {code.tobytes() for code in sampler.propose(seen, 40)}
    assert not proposed & set(ended)


def test_what_was_ended_is_never_on_the_expected_front(space):
    seen = seen_of(space, 14, limit=8.0)
    ranking = ParetoSampler(space, OBJECTIVES)._ranking(
        ParetoSampler(space, OBJECTIVES)._dataset(seen)
    )
    assert len(ranking.front.means) == sum(s.bounds is None for s in seen)


def test_ended_measurements_keep_the_search_away_from_their_like(space):
    known = [s for s in seen_of(space, 30) if space.decode(s.code[None])[0]["kind"] != "c"][:10]
    of_c = [s for s in seen_of(space, 60) if space.decode(s.code[None])[0]["kind"] == "c"][:4]
    ended = [replace(s, values=None, bounds=(30.0, 30.0)) for s in of_c]

    def share_of_c(seen):
        best = ParetoSampler(space, OBJECTIVES).propose(seen, 12)
        return np.mean([c["kind"] == "c" for c in space.decode(best)])

    assert share_of_c(known + ended) == 0
    assert share_of_c(known) > 0


def test_a_whole_measurement_counts_more_than_an_ended_one(space):
    whole, *_ = seen_of(space, 1)
    ended = replace(whole, values=None, bounds=(50.0, 60.0))
    for seen in ([whole, ended], [ended, whole]):
        dataset = Dataset.of(space, OBJECTIVES, seen)
        assert len(dataset.ended) == 0
        assert dataset.values[0].tolist() == list(whole.values)


def test_of_several_bounds_the_tightest_counts(space):
    code = space.rows_[0]
    outputs = (OBJECTIVES[0], Objective("accuracy", "max"))
    bounds = [(5.0, 0.8), (7.0, None), (None, 0.6)]
    dataset = Dataset.of(space, outputs, [Observation(code, bounds=b) for b in bounds])
    assert dataset.bounds.tolist() == [[7.0, 0.6]]
    dataset = Dataset.of(space, outputs, [Observation(code, bounds=(None, None))])
    assert np.isnan(dataset.bounds).all()


def test_pruned_trials_with_bounds_are_such_measurements(space):
    sampler = ParetoSampler(space, OBJECTIVES)
    study = optuna.create_study(directions=["minimize", "minimize"], sampler=sampler)
    for i in range(8):
        trial = study.ask()
        configuration = space.suggest(trial)
        if i in (3, 4):
            trial.set_user_attr(BOUNDS, [40.0, None])
            trial.set_user_attr(SECONDS, [1.0, 5.0])
            study.tell(trial, state=PRUNED)
        elif i == 5:
            study.tell(trial, state=PRUNED)
        else:
            study.tell(trial, truth(configuration))
    seen = sampler._observations(study.get_trials())
    assert [s.bounds for s in seen if s.bounds] == [[40.0, None]] * 2
    assert len(seen) == 7
    assert [s.seconds for s in seen if s.bounds] == [(1.0, 5.0)] * 2
    again = ParetoSampler(space, OBJECTIVES).propose(study)
    assert (again == sampler.propose(study)).all()


def test_a_design_of_which_all_was_ended_but_the_default_ends(space):
    sampler = ParetoSampler(space, OBJECTIVES)
    seen = []
    for i in range(len(sampler.design) + 2):
        (code,) = sampler.propose(seen)
        values = truth(space.decode(code[None])[0])
        seen.append(Observation(code, None if i else values, bounds=(10.0, 10.0) if i else None))
        status = sampler.status(seen)
    assert len({s.code.tobytes() for s in seen}) == len(seen)
    assert status.remaining_gain is not None
    assert not sampler.status(seen[1:3]).done


def test_seconds_of_an_ended_measurement_make_its_like_no_cheaper(space):
    seen = seen_of(space, 24, limit=8.0)
    whole = [s for s in seen if s.bounds is None]
    as_if_whole = [replace(s, values=(50.0, 50.0), bounds=None) if s.bounds else s for s in seen]
    sampler = ParetoSampler(space, OBJECTIVES, cost_aware=True)
    ended = sampler._dataset(seen).ended
    assert len(ended) >= 4
    seconds, without, taken_for_whole = (
        CostModel.fit(space, sampler._dataset(found)).seconds(ended)
        for found in (seen, whole, as_if_whole)
    )
    assert (seconds > 0.9 * without).all()
    assert taken_for_whole.mean() < 0.5 * without.mean()


def test_nothing_is_known_of_seconds_where_all_were_ended(space):
    seen = [replace(s, values=None, bounds=(1.0, None)) for s in seen_of(space, 3)]
    dataset = ParetoSampler(space, OBJECTIVES, cost_aware=True)._dataset(seen)
    assert (CostModel.fit(space, dataset).seconds(space.rows_) == 1).all()


KNOWN = """features
    R {abstract}
        mandatory
            Integer batch {values [1, 2, 4, 8], log true, expect 'energy ^-1, latency ^0.2'}
            String kind {values ['x', 'y'], expect 'y: energy *4'}
"""


def test_seconds_are_expected_to_go_with_the_energy_until_some_are_known():
    space = SearchSpace.from_model(read_uvl(KNOWN))
    asked = [{"batch": 1}, {"batch": 8}, {"kind": "y"}]
    codes = space.encode([space.configuration(values) for values in asked])
    assert expected_seconds(space, codes) == pytest.approx([2.0, 1.125, 5.0])
    one = [Observation(codes[0], (1.0, 1.0), seconds=(2.0, 30.0))]
    dataset = ParetoSampler(space, OBJECTIVES, cost_aware=True)._dataset(one)
    seconds = CostModel.fit(space, dataset).seconds(codes)
    assert seconds == pytest.approx([32.0, 2 + 30 / 8, 122.0], rel=0.01)


def test_the_quick_is_preferred_before_anything_was_timed_where_time_counts():
    space = SearchSpace.from_model(read_uvl(KNOWN))
    default = space.encode([space.default])[0]
    seen = [Observation(default, (1.0, 1.0))]
    rank = [
        ParetoSampler(space, OBJECTIVES, cost_aware=aware)._ranking(
            ParetoSampler(space, OBJECTIVES, cost_aware=aware)._dataset(seen)
        )
        for aware in (True, False)
    ]
    seconds = [expected_seconds(space, r.codes[:3]).mean() for r in rank]
    assert seconds[0] <= seconds[1]


def reference(space, seen, limits):
    sampler = ParetoSampler(space, OBJECTIVES, limits=parse_levels(limits))
    ranking = sampler._ranking(sampler._dataset(seen))
    return ranking, [
        transform.untransform(-np.array([at]))[0]
        for transform, at in zip(ranking.surrogate.transforms, ranking.front.reference, strict=True)
    ]


def test_limits_are_the_reference_point(space):
    default = Observation(space.encode([space.default])[0], truth(space.default))
    seen = [default, *seen_of(space, 12)]
    ranking, at = reference(space, seen, ["energy_j<2x", "latency_ms<9"])
    assert at == pytest.approx([2 * default.values[0], 9.0], rel=1e-6)
    inside = (ranking.front.means < ranking.front.reference).all(1)
    assert inside[ranking.front.on_front].all()
    assert inside.sum() < len(inside)
    _, free = reference(space, seen, [])
    _, at = reference(space, seen, ["energy_j<2x"])
    assert at == pytest.approx([2 * default.values[0], free[1]], rel=1e-6)


def test_a_limit_relative_to_a_default_nobody_measured_is_none(space):
    seen = [s for s in seen_of(space, 12) if space.decode(s.code[None])[0] != space.default]
    assert reference(space, seen, ["energy_j<2x"])[1] == reference(space, seen, [])[1]


def test_nothing_beyond_the_limits_is_worth_a_measurement(space):
    default = Observation(space.encode([space.default])[0], truth(space.default))
    seen = [default, *seen_of(space, 30)]
    sampler = ParetoSampler(space, OBJECTIVES, limits=parse_levels(["energy_j<1.2x"]))
    chosen = space.decode(sampler.propose(seen, 6))
    assert all(truth(c)[0] < 1.5 * default.values[0] for c in chosen)


def test_where_nothing_keeps_the_limits_the_search_goes_on(space):
    seen = seen_of(space, 12)
    sampler = ParetoSampler(space, OBJECTIVES, limits=parse_levels(["energy_j<0.001"]))
    assert sampler.status(seen).remaining_gain == 1.0
    assert len(sampler.propose(seen)) == 1


@pytest.mark.parametrize("limit", ["memory_mb<5", "energy_j>=5"])
def test_a_limit_on_no_objective_is_refused(space, limit):
    with pytest.raises(UserError, match=r"on no objective.*energy_j<"):
        ParetoSampler(space, OBJECTIVES, limits=parse_levels([limit]))
