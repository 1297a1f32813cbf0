"""Acquisition functions of BoTorch and of the user, on our models and around them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from botorch.acquisition import AcquisitionFunction, qLogNoisyExpectedImprovement
from botorch.acquisition.multi_objective import logei
from botorch.acquisition.objective import LinearMCObjective
from botorch.optim import optimize_acqf_discrete
from threadpoolctl import threadpool_info, threadpool_limits

from tuner import Tuner
from tuner.errors import UserError
from tuner.search import ACQUISITIONS, Observation, ParetoSampler
from tuner.search.acquisition_registry import acquisition_factory, exact_ehvi
from tuner.search.dataset import Dataset
from tuner.search.fitted_models import FittedModels
from tuner.search.outcome_constraints import OutcomeConstraints
from tuner.search.ranking import _order, rank_candidates
from tuner.search.weighted_acquisition import AcquisitionWeights, WeightedAcquisition
from tuner.space import TableSpace
from tuner.study import StudySpec
from tuner.surrogates import Objective
from tuner.surrogates.service_level import parse_levels
from tuner.surrogates.surrogate import as_inputs

OBJECTIVES = (Objective("energy_j", "min"), Objective("accuracy", "max"))
ROWS = list(itertools.product(("s", "m", "l"), (1, 2, 4, 8, 16), (1, 2, 3, 4)))


@pytest.fixture(autouse=True)
def _no_compiler(monkeypatch):
    """BoTorch compiles a part of qLogNEHVI when it is first made, where it finds a compiler."""
    monkeypatch.setattr(logei, "_load_attempted", True)


@pytest.fixture(scope="module")
def space():
    return TableSpace({n: [r[i] for r in ROWS] for i, n in enumerate(("model", "batch", "beams"))})


def truth(configuration):
    size = {"s": 1.0, "m": 3.0, "l": 9.0}[configuration["model"]]
    batch, beams = configuration["batch"], configuration["beams"]
    return [size * beams**0.8 * (0.1 + 1 / batch), 0.9 - 0.4 / size - 0.06 / beams]


def measured(space, n, seed=0, m=2):
    codes = space.rows_[np.random.default_rng(seed).permutation(len(space))[:n]]
    values = [truth(c)[:m] for c in space.decode(codes)]
    return [
        Observation(code, v, [0.02 * x for x in v], seconds=(60.0 if k % 3 else 1.0, 5.0 + v[0]))
        for k, (code, v) in enumerate(zip(codes, values, strict=True))
    ]


@pytest.fixture(scope="module")
def state(space):
    """A dataset with failures and times, and the models of it."""
    seen = measured(space, 16)
    left = [code for code in space.rows_ if not any((code == s.code).all() for s in seen)]
    seen += [Observation(code, cause="refused", seconds=(60.0, 0.0)) for code in left[::12]]
    dataset = Dataset.of(space, OBJECTIVES, seen, timed=True)
    return dataset, FittedModels.of(space, OBJECTIVES, dataset)


def test_botorch_optimises_ours_over_the_candidates_of_a_space(space):
    dataset = Dataset.of(space, OBJECTIVES, measured(space, 16))
    fitted = FittedModels.of(space, OBJECTIVES, dataset)
    ranking = rank_candidates(space, OBJECTIVES, (), dataset, fitted, seed=0)
    acquisition = exact_ehvi(fitted.surrogate.model, dataset)
    best, value = optimize_acqf_discrete(acquisition, 1, as_inputs(ranking.codes))
    assert best[0].tolist() == ranking.codes[0].tolist()
    assert value.item() == pytest.approx(ranking.gains[0])


def test_stock_qlognehvi_proposes_on_our_model(space, state):
    dataset, fitted = state
    torch.manual_seed(0)
    acquisition = logei.qLogNoisyExpectedHypervolumeImprovement(
        fitted.surrogate.model, [-3.0, -3.0], as_inputs(dataset.codes), prune_baseline=True
    )
    candidates, _ = optimize_acqf_discrete(
        acquisition, 3, as_inputs(space.rows_), X_avoid=as_inputs(dataset.codes), unique=True
    )
    codes = candidates.numpy().astype(np.int32)
    assert space.is_valid(codes).all()
    assert len({c.tobytes() for c in np.concatenate([codes, dataset.codes])}) == 19


@pytest.mark.parametrize("m", [1, 2])
@pytest.mark.parametrize("name", ACQUISITIONS)
def test_every_named_acquisition_proposes_what_is_new_and_the_same_again(space, name, m):
    seen = measured(space, 12, m=m)
    torch.manual_seed(5)
    codes = ParetoSampler(space, OBJECTIVES[:m], acquisition=name).propose(seen, 2)
    drawn = torch.rand(1)
    assert not {c.tobytes() for c in codes} & {s.code.tobytes() for s in seen}
    torch.manual_seed(5)
    assert torch.rand(1) == drawn  # the caller's random state is left alone
    again = ParetoSampler(space, OBJECTIVES[:m], acquisition=name).propose(seen, 2)
    assert (codes == again).all()


def test_the_default_is_the_exact_one(space):
    seen = measured(space, 12)
    default, named = (
        ParetoSampler(space, OBJECTIVES, acquisition=name).propose(seen, 2)
        for name in (None, "ehvi")
    )
    assert (default == named).all()


def weighted_sum(model, dataset):
    """Noisy expected improvement of the mean of all objectives, as the model scales them."""
    weights = torch.full((model.num_outputs,), 1 / model.num_outputs, dtype=torch.float64)
    baseline = torch.as_tensor(dataset.baseline).double()
    return qLogNoisyExpectedImprovement(model, baseline, objective=LinearMCObjective(weights))


def test_one_of_the_users_own_finds_what_it_asks_for(space):
    sampler, seen = ParetoSampler(space, OBJECTIVES, acquisition=weighted_sum), []
    for _ in range(16):
        (code,) = sampler.propose(seen)
        seen.append(Observation(code, truth(space.decode(code[None])[0])))
    values = np.array([truth(c) for c in space.decode(space.rows_)])
    scaled = np.stack([-np.log(values[:, 0]), values[:, 1]], 1)
    total = ((scaled - scaled.mean(0)) / scaled.std(0)).sum(1)
    found = [int(space.index(s.code[None])[0]) for s in seen]
    assert total[found].max() >= np.sort(total)[-2]


def test_the_tuner_asks_the_users_own(space):
    asked = []

    def watching(model, dataset):
        asked.append(dataset.n_observations)
        return weighted_sum(model, dataset)

    tuner = Tuner(space, ["energy_j:min", "accuracy:max"], acquisition=watching)
    for _ in range(8):
        proposal = tuner.ask()
        energy, accuracy = truth(proposal.configuration)
        tuner.tell(proposal, {"energy_j": energy, "accuracy": accuracy})
    assert asked
    assert max(asked) == 7


class Constant(AcquisitionFunction):
    """The same for all, as it is or as its logarithm."""

    def __init__(self, model, value, *, log):
        super().__init__(model)
        self.value, self._log = value, log

    def forward(self, X):
        value = torch.full((len(X),), self.value, dtype=torch.float64)
        return value.log() if self._log else value


@pytest.mark.parametrize("log", [False, True])
def test_levels_failures_and_cost_weigh_any_acquisition(space, state, log):
    dataset, fitted = state
    surrogate = fitted.surrogate
    levels = parse_levels(["energy_j<2"])
    constraints = OutcomeConstraints.of(space, dataset, surrogate, OBJECTIVES, levels)
    weights = AcquisitionWeights(surrogate, fitted.feasibility, constraints, fitted.cost)
    weighted = WeightedAcquisition(Constant(surrogate.model, 3.0, log=log), weights)
    X = as_inputs(space.rows_[:40])
    works = fitted.feasibility.probability(X)
    kept = constraints.probability_of_feasibility(*surrogate.moments(X))
    seconds = torch.as_tensor(fitted.cost.seconds(space.rows_[:40]))
    for factor in (works, kept, seconds):
        assert factor.max() > 1.01 * factor.min()
    found = weighted(X[:, None])
    torch.testing.assert_close(found.exp() if log else found, 3.0 * works * kept / seconds)


@pytest.mark.slow
def test_proposals_of_any_acquisition_keep_the_service_levels(space):
    levels = parse_levels(["energy_j<1"])
    sampler = ParetoSampler(space, OBJECTIVES, levels=levels, acquisition="qlognparego")
    seen = []
    for _ in range(22):
        (code,) = sampler.propose(seen)
        seen.append(Observation(code, truth(space.decode(code[None])[0])))
    assert sum(s.values[0] < 1 for s in seen[12:]) >= 7


def test_a_repeat_goes_before_the_first_candidate_that_gains_less():
    candidates, repeats = [5.0, 1.0, 4.0, 0.5], [0.7, 3.0, 9.0, 0.1]
    order = _order(np.array(candidates + repeats), 4)
    assert order.tolist() == [6, 0, 5, 1, 2, 4, 3, 7]
    assert _order(np.array(repeats), 0).tolist() == [2, 1, 0, 3]


def test_threads_are_limited_while_it_thinks_and_as_before_afterwards(space):
    def threads():
        pools = [i for i in threadpool_info() if i["user_api"] == "blas"]
        return torch.get_num_threads(), [i["num_threads"] for i in pools]

    inside = []

    def watching(model, dataset):
        inside.append(threads())
        return exact_ehvi(model, dataset)

    before = torch.get_num_threads()
    try:
        with threadpool_limits(2, user_api="blas"):
            torch.set_num_threads(2)
            ParetoSampler(space, OBJECTIVES, acquisition=watching).propose(measured(space, 12))
            after = threads()
    finally:
        torch.set_num_threads(before)
    assert inside[0][0] == 1
    assert set(inside[0][1]) == {1}
    assert after[0] == 2
    assert set(after[1]) == {2}


def test_an_unknown_name_is_a_sentence_that_says_what_there_is():
    with pytest.raises(UserError, match="'magic'; choose one of ehvi, qlognehvi, qlognparego"):
        acquisition_factory("magic")
    with pytest.raises(UserError, match="acquisition takes one of ehvi, qlognehvi, qlognparego"):
        StudySpec.of(models=("builtin",), acquisition="magic")
    assert StudySpec.of(models=("builtin",), acquisition="qlognehvi").acquisition == "qlognehvi"
