"""What somebody relies on who gives the sampler to an Optuna study."""

from __future__ import annotations

import json
import math

import numpy as np
import optuna
import pytest

from tuner.search import Observation, ParetoSampler, StopRule, design_size
from tuner.space import TableSpace, load_space
from tuner.surrogates import Objective

optuna.logging.set_verbosity(optuna.logging.WARNING)

OBJECTIVES = (
    Objective("energy_j", "min", kind="energy"),
    Objective("latency_s", "min", kind="latency"),
    Objective("accuracy", "max", kind="accuracy"),
)
DIRECTIONS = ("minimize", "minimize", "maximize")


@pytest.fixture(scope="module")
def space():
    names = ("model", "batch", "beams", "mode")
    rows = [
        (model, batch, beams, mode)
        for model in ("small", "base", "large")
        for batch in (1, 2, 4, 8, 16)
        for beams in (1, 2, 3, 4)
        for mode in ("greedy", "sample")
    ]
    return TableSpace({name: [row[i] for row in rows] for i, name in enumerate(names)})


def measure(configuration):
    size = {"small": 1.0, "base": 3.0, "large": 10.0}[configuration["model"]]
    batch, beams = configuration["batch"], configuration["beams"]
    energy = size * beams**0.8 * (0.2 + 1 / batch)
    latency = size**0.7 * beams**0.5 * (1 + 0.2 * batch)
    accuracy = 1 - 0.5 / size - 0.05 / beams - 0.1 * (configuration["mode"] == "sample")
    return energy, latency, accuracy


def new_study(sampler, directions=DIRECTIONS):
    return optuna.create_study(directions=directions, sampler=sampler)


def run(space, n, *, study=None, evaluate=measure, seed=0, objectives=OBJECTIVES):
    study = study or new_study(
        ParetoSampler(space, objectives, seed=seed),
        ["minimize" if o.direction == "min" else "maximize" for o in objectives],
    )
    for _ in range(n):
        trial = study.ask()
        study.tell(trial, evaluate(space.suggest(trial)))
    return study


def proposals(space, study):
    return [space.suggest(optuna.trial.FixedTrial(t.params)) for t in study.trials]


def test_it_begins_with_the_default_and_measures_nothing_twice(space):
    configurations = proposals(space, run(space, 25))
    assert configurations[0] == space.default
    assert len(set(configurations)) == 25
    assert space.is_valid(space.encode(configurations)).all()


def test_the_same_seed_gives_the_same_proposals_also_after_a_kill(space):
    whole = proposals(space, run(space, 18, seed=3))
    study = run(space, 11, seed=3)
    killed = study.ask()
    space.suggest(killed)
    study.tell(killed, state=optuna.trial.TrialState.FAIL)
    study.sampler = ParetoSampler(space, OBJECTIVES, seed=3)
    run(space, 7, study=study)
    finished = [t for t in study.trials if t.state == optuna.trial.TrialState.COMPLETE]
    resumed = [space.suggest(optuna.trial.FixedTrial(t.params)) for t in finished]
    assert resumed == whole
    assert proposals(space, run(space, 18, seed=4)) != whole


def test_running_trials_are_not_proposed_again(space):
    study = run(space, 10)
    trials = [study.ask() for _ in range(6)]
    configurations = [space.suggest(trial) for trial in trials]
    assert len(set(configurations) | set(proposals(space, study)[:10])) == 16


def test_many_workers_before_the_first_result(space):
    study = new_study(ParetoSampler(space, OBJECTIVES))
    configurations = [space.suggest(study.ask()) for _ in range(16)]
    assert len(set(configurations)) == 16


def test_a_batch_is_what_asking_one_by_one_would_give(space):
    study = run(space, 10)
    batch = space.decode(study.sampler.propose(study, 3))
    assert [space.suggest(study.ask()) for _ in range(3)] == batch


@pytest.mark.slow
def test_failures_of_a_kind_are_avoided_once_learned(space):
    def evaluate(trial, configuration):
        if configuration["batch"] >= 8 and configuration["model"] == "large":
            trial.set_user_attr("tuner:cause", "out_of_memory")
            return None
        return measure(configuration)

    study = new_study(ParetoSampler(space, OBJECTIVES, seed=1))
    for _ in range(35):
        trial = study.ask()
        values = evaluate(trial, space.suggest(trial))
        state = None if values else optuna.trial.TrialState.FAIL
        study.tell(trial, values, state=state)
    failed = [t.state == optuna.trial.TrialState.FAIL for t in study.trials]
    assert sum(failed[20:]) <= 2
    assert len(set(proposals(space, study))) == 35


def test_a_trial_lost_without_a_cause_is_proposed_once_more_and_then_given_up(space):
    study = run(space, 6)
    lost = []
    for _ in range(3):
        trial = study.ask()
        lost.append(space.suggest(trial))
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
    assert lost[0] == lost[1] != lost[2]


@pytest.mark.parametrize("budget", [1, 2, 3])
def test_a_tiny_budget_works(space, budget):
    sampler = ParetoSampler(space, OBJECTIVES, budget=budget)
    study = run(space, budget, study=new_study(sampler))
    status = sampler.status(study)
    assert not status.done
    assert 0 <= status.progress < 1


def test_one_categorical_parameter_is_enough(space):
    space = TableSpace({"backend": ["a", "b", "c", "d"]})
    objectives = OBJECTIVES[:2]
    value = {"a": (1, 4), "b": (2, 2), "c": (4, 1), "d": (5, 5)}
    study = run(space, 4, evaluate=lambda c: value[c["backend"]], objectives=objectives)
    assert len(set(proposals(space, study))) == 4
    status = study.sampler.status(study)
    assert status.done
    assert "all 4" in status.reason
    run(space, 1, study=study, evaluate=lambda c: value[c["backend"]])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda values, i: (values[0], 5.0, values[2]),
        lambda values, i: (values[0] * (1e6 if i == 4 else 1), *values[1:]),
        lambda values, i: (values[0] * (1e-6 if i == 4 else 1), *values[1:]),
        lambda values, i: (math.inf if i == 4 else values[0], *values[1:]),
        lambda values, i: (0.0, *values[1:]),
        lambda values, i: (-values[0], *values[1:]),
    ],
    ids=["constant", "absurdly bad", "absurdly good", "infinite", "zero", "negative"],
)
def test_odd_values_do_not_stop_it(space, spoil):
    sampler = ParetoSampler(space, OBJECTIVES, seed=2)
    seen = []
    for i in range(14):
        code = sampler.propose(seen)[0]
        assert space.is_valid(code[None]).all()
        values = spoil(measure(space.decode(code[None])[0]), i)
        seen.append(Observation(code, values))
    assert sampler.status(seen).remaining_gain is not None
    assert len({s.code.tobytes() for s in seen}) == 14


def test_a_value_that_is_no_number_is_a_failure_and_the_search_goes_on(space):
    study = new_study(ParetoSampler(space, OBJECTIVES))
    for i in range(12):
        trial = study.ask()
        values = list(measure(space.suggest(trial)))
        values[0] = math.nan if i % 3 == 2 else values[0]  # Optuna makes it a failed trial
        study.tell(trial, values)
    complete = [t for t in study.trials if t.state == optuna.trial.TrialState.COMPLETE]
    assert len(complete) == 8


def test_noisy_leaders_are_measured_again_when_little_else_is_left():
    space = TableSpace({"x": [0, 1, 2, 3, 4, 5]})
    sampler = ParetoSampler(space, OBJECTIVES[:2], seed=0)
    rng = np.random.default_rng(0)
    seen = []
    for _ in range(14):
        code = sampler.propose(seen)[0]
        x = float(space.decode(code[None])[0]["x"])
        values = np.exp([0.3 * x, -0.3 * x]) * (1 + 0.3 * rng.normal(size=2)).clip(0.3)
        seen.append(Observation(code, values.tolist(), (0.3 * values).tolist()))
    assert len({s.code.tobytes() for s in seen}) < 14


@pytest.mark.slow
def test_it_finds_the_front_long_before_random_search(space):
    from tuner.search import hypervolume_share

    everything = np.array([measure(c) for c in space.decode(space.rows())])
    shares = []
    for seed in range(3):
        values = np.array([t.values for t in run(space, 20, seed=seed).trials])
        shares.append(hypervolume_share(values, OBJECTIVES, among=everything))
    by_chance = []
    for seed in range(20):
        rows = np.random.default_rng(seed).permutation(len(space))[:20]
        by_chance.append(hypervolume_share(everything[rows], OBJECTIVES, among=everything))
    assert min(shares) > 0.95 > np.median(by_chance)


@pytest.mark.slow
def test_it_stops_when_the_front_is_found_and_says_why(space):
    sampler = ParetoSampler(space, OBJECTIVES, seed=0)
    study = new_study(sampler)
    statuses = []
    for _ in range(60):
        run(space, 1, study=study)
        statuses.append(sampler.status(study))
        if statuses[-1].done:
            break
    assert statuses[-1].done
    assert "stable" in statuses[-1].reason
    assert statuses[-1].remaining_gain < statuses[-1].threshold
    designed = design_size(space)
    assert all(s.remaining_gain is None for s in statuses[: designed - 1])
    assert statuses[0].progress < statuses[-1].progress == 1.0
    assert "\n" not in statuses[-1].reason


def test_the_rule_wants_small_gains_in_a_row():
    rule = StopRule(share=0.02, patience=3, least=5)
    assert not rule.judge([0.5, 0.01, 0.01], 20).done
    assert not rule.judge([0.01, 0.01], 20).done
    assert not rule.judge([0.01, 0.01, 0.01], 4).done
    assert rule.judge([0.01, 0.01, 0.01], 5).done


def test_trials_of_another_sampler_are_learned_from(space):
    study = run(space, 15, study=new_study(optuna.samplers.RandomSampler(seed=0)))
    study.sampler = ParetoSampler(space, OBJECTIVES)
    fresh = space.suggest(study.ask())
    assert fresh not in proposals(space, study)[:15]


def test_a_study_with_other_directions_is_refused(space):
    study = new_study(ParetoSampler(space, OBJECTIVES), ["minimize"] * 3)
    with pytest.raises(ValueError, match="MAXIMIZE"):
        space.suggest(study.ask())


def test_parameters_that_the_space_does_not_know_are_random_but_seeded(space):
    def extra():
        study = new_study(ParetoSampler(space, OBJECTIVES, seed=5))
        trial = study.ask()
        space.suggest(trial)
        return trial.suggest_float("mine", 0, 1)

    assert extra() == extra()


def test_it_goes_through_storage_and_json(space, tmp_path):
    url = f"sqlite:///{tmp_path / 'study.db'}"
    study = optuna.create_study(
        directions=DIRECTIONS, sampler=ParetoSampler(space, OBJECTIVES, seed=6), storage=url
    )
    run(space, 9, study=study)
    reloaded = optuna.load_study(
        study_name=study.study_name,
        storage=url,
        sampler=ParetoSampler(space, OBJECTIVES, seed=6),
    )
    assert space.suggest(reloaded.ask()) == proposals(space, run(space, 10, seed=6))[-1]
    assert json.dumps(reloaded.trials[0].params)


def test_proposals_in_a_space_too_large_to_list_are_valid_and_new():
    space = load_space("transformers")
    assert space.rows() is None
    rng = np.random.default_rng(0)
    weights = {(p.name, v): rng.normal(size=3) * 0.3 for p in space.parameters for v in p.values}

    def evaluate(configuration):
        total = sum(weights[item] for item in configuration.items())
        return math.exp(total[0]), math.exp(total[1]), 1 / (1 + math.exp(-total[2]))

    sampler = ParetoSampler(space, OBJECTIVES)
    seen = []
    for _ in range(14):
        code = sampler.propose(seen)[0]
        seen.append(Observation(code, evaluate(space.decode(code[None])[0])))
    codes = np.array([s.code for s in seen])
    assert space.is_valid(codes).all()
    assert len(np.unique(codes, axis=0)) == 14
    assert space.decode(codes[:1])[0] == space.default
