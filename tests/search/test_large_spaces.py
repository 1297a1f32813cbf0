"""Spaces with more than 10^12 configurations: what is proposed, and what it is computed from."""

from __future__ import annotations

import math

import numpy as np
import optuna
import pytest
import torch

from tuner.features import Rules, Solver
from tuner.search import Observation, ParetoSampler, initial_design
from tuner.search.dataset import Dataset
from tuner.search.fitted_models import FittedModels
from tuner.space import load_space
from tuner.surrogates import Objective
from tuner.surrogates.distances import DistanceTables
from tuner.surrogates.surrogate import as_inputs

OBJECTIVES = (Objective("energy_j", "min"), Objective("latency_s", "min"), Objective("acc", "max"))
LARGE = ("vllm", "sglang", "llama_cpp")


@pytest.fixture(scope="module", params=LARGE)
def large(request):
    space = load_space(request.param)
    assert space.size > 10**12
    return space


@pytest.fixture(scope="module")
def vllm():
    return load_space("vllm")


def metrics(space, seed):
    """Products of one random factor for each value of a configuration."""
    rng = np.random.default_rng(seed)
    factors = {(p.name, v): rng.normal(size=3) * 0.3 for p in space.parameters for v in p.values}

    def of(configuration):
        a, b, c = sum(factors[item] for item in configuration.items())
        return math.exp(a), math.exp(b), 1 / (1 + math.exp(-c))

    return of


def measured(space, n, seed=0, failing=0.0):
    """A history of n different random configurations."""
    rng = np.random.default_rng(seed)
    codes = np.unique(space.sample(2 * n, rng), axis=0)[:n]
    of = metrics(space, seed)
    return [
        Observation(code, cause="out of memory")
        if rng.random() < failing
        else Observation(code, of(configuration))
        for code, configuration in zip(codes, space.decode(codes), strict=True)
    ]


def invalid(space, codes):
    """Rows that the model's own rules or a satisfiability solver do not take."""
    rules, solver = Rules(space.model), Solver(space.model)
    chosen = space.selections(codes)
    kept = rules.valid(rules.layout.rows(chosen))
    nothing = dict.fromkeys(space.model.features, False)
    solved = [solver.satisfiable({**nothing, **given}) for given in chosen]
    return codes[~(kept & solved)]


def test_everything_proposed_is_valid(large):
    codes = [initial_design(large, 10, seed=seed) for seed in range(3)]
    for n, failing in ((12, 0.0), (25, 0.3)):
        seen = measured(large, n, seed=n, failing=failing)
        sampler = ParetoSampler(large, OBJECTIVES, seed=n)
        codes.append(sampler.propose(seen, n=3))
        codes.append(sampler._ranking(sampler._dataset(seen)).codes[::10])  # what it chose from
    assert len(invalid(large, np.concatenate(codes))) == 0


def test_the_judge_of_these_tests_sees_what_is_invalid(large):
    rng = np.random.default_rng(0)
    codes = large.sample(200, rng)
    changed = large.completed(np.where(rng.random(codes.shape) < 0.1, 0, codes))
    assert len(invalid(large, codes)) == 0
    assert len(invalid(large, changed)) == (~large.is_valid(changed)).sum() > 0


def test_running_trials_change_no_fit(vllm):
    seen = measured(vllm, 30, failing=0.2)
    running = vllm.sample(16, np.random.default_rng(1))
    alone, beside = (
        FittedModels.of(vllm, OBJECTIVES, Dataset.of(vllm, OBJECTIVES, seen, pending))
        for pending in (None, running)
    )
    models = [(*f.surrogate.models, *f.feasibility.models) for f in (alone, beside)]
    assert len(models[0]) == 4
    X = as_inputs(running)
    for one, other in zip(*models, strict=True):
        assert one.log_hyperparameters.equal(other.log_hyperparameters)
        assert one.posterior(X).mean.equal(other.posterior(X).mean)


def test_what_was_judged_before_changes_no_proposal(vllm):
    seen = measured(vllm, 25)
    running = vllm.sample(16, np.random.default_rng(1))
    judged = ParetoSampler(vllm, OBJECTIVES)
    judged.status(seen)
    judged.propose(seen)
    first = judged.propose(seen, n=2, pending=running)
    assert (ParetoSampler(vllm, OBJECTIVES).propose(seen, n=2, pending=running) == first).all()


def test_a_study_opened_again_goes_on_as_it_would_have(vllm):
    directions = ("minimize", "minimize", "maximize")
    sampler, of = ParetoSampler(vllm, OBJECTIVES, budget=15), metrics(vllm, 0)
    study = optuna.create_study(directions=directions, sampler=sampler)
    asked = []
    for k in range(9):
        asked.append(study.ask())
        configuration = vllm.suggest(asked[-1])
        if k % 4:  # the others go on running
            study.tell(asked[-1], of(configuration))
    again = optuna.load_study(study_name=study.study_name, storage=study._storage)
    fresh = ParetoSampler(vllm, OBJECTIVES, budget=15)
    assert (fresh.propose(again, n=2) == sampler.propose(study, n=2)).all()
    assert fresh.status(again) == sampler.status(study)


@pytest.mark.parametrize("name", ["transformers", *LARGE])
def test_distances_between_values_are_those_of_points(name):
    """Otherwise the covariance of many configurations is none, and fitting fails."""
    parameters = load_space(name).parameters
    for table in DistanceTables.of(parameters, range(len(parameters))).tables:
        centring = torch.eye(len(table), dtype=torch.float64) - 1 / len(table)
        gram = -0.5 * centring @ table @ centring
        assert np.linalg.eigvalsh(gram.numpy()).min() > -1e-9
