"""A surrogate is a BoTorch model: what BoTorch does with it is what this package does itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from botorch.cross_validation import batch_cross_validation, efficient_loo_cv, gen_loo_cv_folds
from botorch.fit import fit_gpytorch_mll
from botorch.models import ModelListGP, SingleTaskGP
from botorch.sampling import SobolQMCNormalSampler
from gpytorch.means import ZeroMean
from gpytorch.mlls import ExactMarginalLogLikelihood

from tuner.space import Parameter, TableSpace
from tuner.surrogates import ConfigurationGP, Objective, Surrogate
from tuner.surrogates.distances import DistanceTables
from tuner.surrogates.fitting import Lookup, fit_map, negative_log_posterior

PARAMETERS = (
    Parameter("model", "categorical", ("s", "m", "l")),
    Parameter("batch", "ordered", (1, 2, 4, 8), (0.0, 1 / 3, 2 / 3, 1.0)),
    Parameter("sampling", "ordered", (False, True), (0.0, 1.0)),
    Parameter("top_k", "ordered", (1, 10, 50), (0.0, 0.6, 1.0), parent=("sampling", {True})),
)
DISTANCES = DistanceTables.of(PARAMETERS, range(len(PARAMETERS)))
D = len(PARAMETERS)


def rows(n, seed):
    """Different codes as inputs; `top_k` is active where there is sampling."""
    rng = np.random.default_rng(seed)
    sizes = [len(p.values) for p in PARAMETERS]
    codes = np.unique(rng.integers(0, sizes, (20 * n, D)), axis=0)
    codes[codes[:, 2] == 0, 3] = -1
    codes = rng.permutation(np.unique(codes, axis=0))[:n]
    return torch.as_tensor(codes).double()


def unfitted(n=20, seed=0):
    X = rows(n, seed)
    rng = np.random.default_rng(seed)
    y = torch.as_tensor(X.numpy() @ [0.5, -0.3, 0.4, 0.2] + 0.2 * rng.normal(size=n))
    y = (y - y.mean()) / y.std()
    known = torch.as_tensor(0.05 * rng.random(n))
    return ConfigurationGP(X, y[:, None], known[:, None], distances=DISTANCES)


@pytest.fixture(scope="module")
def model():
    return fit_map(unfitted())


def stock(model):
    """BoTorch's own model with the same kernel, likelihood and data."""
    return SingleTaskGP(
        model.train_inputs[0],
        model.train_targets[..., None],
        likelihood=model.likelihood,
        covar_module=model.covar_module,
        mean_module=ZeroMean(),
        outcome_transform=None,
    ).eval()


def same_posterior(one, other):
    torch.testing.assert_close(one.mean, other.mean, rtol=1e-6, atol=1e-8)
    one, other = (p.distribution.covariance_matrix for p in (one, other))
    torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)


def posterior_density(model):
    """`ExactMarginalLogLikelihood`, priors included, and its gradient."""
    mll = ExactMarginalLogLikelihood(model.likelihood, model)
    mll.train()
    value = mll(model(*model.train_inputs), model.train_targets)
    kernel, noise = model.covar_module, model.likelihood.second_noise_covar
    by = (kernel.log_weight, kernel.log_lengthscale, kernel.log_joint_weight, noise.raw_noise)
    gradient = torch.cat(torch.autograd.grad(value, by))
    model.eval()
    return value.item(), gradient


def test_the_marginal_likelihood_of_gpytorch_is_what_the_fast_fitter_maximises():
    model = unfitted()
    lookup = Lookup.of_rows(DISTANCES, DISTANCES.value_indices(model.train_inputs[0]))
    generator = torch.Generator().manual_seed(0)
    constants, n = [], len(model.train_targets)
    for _ in range(5):
        h = model.log_hyperparameters + torch.randn(2 * D + 2, generator=generator)
        model.log_hyperparameters = h
        mine, slope = negative_log_posterior(h, lookup, model.train_targets, model.known_variance)
        value, gradient = posterior_density(model)
        torch.testing.assert_close(slope, -n * gradient, rtol=1e-6, atol=1e-8)
        constants.append(-n * value - mine)
    assert constants == pytest.approx([constants[0]] * 5, abs=1e-8)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_botorch_fits_the_same_optimum_from_the_same_start(seed):
    fast, slow = fit_map(unfitted(seed=seed)), unfitted(seed=seed)
    start = posterior_density(slow)[0]
    fit_gpytorch_mll(ExactMarginalLogLikelihood(slow.likelihood, slow))
    reached = [posterior_density(m)[0] for m in (fast, slow)]
    assert reached[0] == pytest.approx(reached[1], abs=1e-4)
    assert min(reached) > start + 0.01
    difference = fast.log_hyperparameters - slow.log_hyperparameters
    assert difference.abs().max() < 0.05


@pytest.mark.parametrize("shape", [(6, 1), (6,), (3, 2), (2, 3, 1)])
def test_a_stock_model_with_this_kernel_has_the_same_posterior(model, shape):
    X = rows(6, seed=7).reshape(*shape, D)
    same_posterior(model.posterior(X), stock(model).posterior(X))


def test_the_kernel_between_pairs_is_the_diagonal_of_the_kernel(model):
    left, right = rows(9, seed=3), rows(9, seed=4)
    whole = model.covar_module(left, right).to_dense()
    pairs = model.covar_module(left, right, diag=True)
    torch.testing.assert_close(pairs, whole.diagonal())


def test_noise_of_a_measurement_is_its_own_and_the_learned_one(model):
    X = rows(5, seed=7)
    quiet, noisy = model.posterior(X), model.posterior(X, observation_noise=True)
    extra = noisy.variance - quiet.variance
    expected = float(model.noise) + 1e-6 + float(model.known_variance.mean())
    assert extra[:, 0].tolist() == pytest.approx([expected] * 5)
    stated = model.posterior(X, observation_noise=torch.full((5, 1), 0.3, dtype=torch.float64))
    assert (stated.variance - quiet.variance)[:, 0].tolist() == pytest.approx([0.3] * 5)


def test_conditioning_is_what_gpytorch_makes_of_it(model):
    new, y = rows(30, seed=11)[:3], torch.tensor([[0.3], [-1.0], [0.5]], dtype=torch.float64)
    known = torch.full((3, 1), 0.02, dtype=torch.float64)
    X = rows(8, seed=7)
    mine = model.condition_on_observations(new, y, noise=known)
    theirs = stock(model)
    theirs.posterior(X)  # GPyTorch wants its caches filled
    theirs = theirs.condition_on_observations(new, y, noise=known + 1e-6)
    torch.testing.assert_close(mine.posterior(X).mean, theirs.posterior(X).mean)
    # GPyTorch's update of its caches is not exact in the covariance.
    one, other = (m.posterior(X).variance for m in (mine, theirs))
    torch.testing.assert_close(one, other, rtol=0, atol=1e-3)
    assert mine.log_hyperparameters.equal(model.log_hyperparameters)
    assert mine.train_inputs[0].equal(torch.cat([model.train_inputs[0], new]))
    same_posterior(mine.posterior(X), stock(mine).posterior(X))


def test_fantasies_follow_their_samples(model):
    new, X = rows(30, seed=11)[:2], rows(8, seed=7)
    sampler = SobolQMCNormalSampler(torch.Size([16]), seed=0)
    fantasies = model.fantasize(new, sampler)
    assert fantasies.batch_shape == torch.Size([16])
    posterior = fantasies.posterior(X)
    assert posterior.mean.shape == (16, 8, 1)
    for k in (0, 15):
        y = fantasies.train_targets[k, -2:, None]
        known = fantasies.known_variance[k, -2:, None]
        alone = model.condition_on_observations(new, y, noise=known).posterior(X)
        torch.testing.assert_close(posterior.mean[k], alone.mean)
        torch.testing.assert_close(posterior.variance[k], alone.variance)
    assert fantasies.posterior(new).mean.std(0).min() > 0.01


def left_out(model, k):
    """What the model expects of its k-th row from the others, hyperparameters as they are."""
    keep = torch.arange(len(model.train_targets)) != k
    X, y, known = model.train_inputs[0], model.train_targets, model.known_variance
    rest = ConfigurationGP(X[keep], y[keep, None], known[keep, None], distances=DISTANCES)
    rest.log_hyperparameters = model.log_hyperparameters
    return rest.posterior(X[[k]])


def test_leaving_one_out_is_what_botorch_makes_of_it(model):
    theirs = efficient_loo_cv(model, observation_noise=False)
    mine = [left_out(model, k) for k in range(len(model.train_targets))]
    means = torch.stack([p.mean for p in mine])
    torch.testing.assert_close(theirs.posterior.mean, means, rtol=1e-6, atol=1e-8)
    variances = torch.stack([p.variance for p in mine])
    torch.testing.assert_close(theirs.posterior.variance, variances, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_cross_validation_of_botorch_fits_each_fold_as_the_fast_fitter_does():
    whole = unfitted(n=10)
    X, y = whole.train_inputs[0], whole.train_targets[:, None]
    folds = gen_loo_cv_folds(X, y, whole.known_variance[:, None])
    theirs = batch_cross_validation(
        ConfigurationGP,
        ExactMarginalLogLikelihood,
        folds,
        model_init_kwargs={"distances": DISTANCES},
    )
    for k in range(10):
        data = (folds.train_X[k], folds.train_Y[k], folds.train_Yvar[k])
        mine = fit_map(ConfigurationGP(*data, distances=DISTANCES)).posterior(folds.test_X[k])
        torch.testing.assert_close(theirs.posterior.mean[k], mine.mean, rtol=0, atol=0.02)
        torch.testing.assert_close(theirs.posterior.variance[k], mine.variance, rtol=0.05, atol=0.0)


def test_other_hyperparameters_or_data_change_the_posterior(model):
    X = rows(5, seed=7)
    changing = fit_map(unfitted())
    before = changing.posterior(X).mean
    changing.load_state_dict(unfitted(seed=1).state_dict())
    after = changing.posterior(X).mean
    assert not after.allclose(before)
    changing.set_train_data(targets=-changing.train_targets, strict=True)
    torch.testing.assert_close(changing.posterior(X).mean, -after)
    fit_gpytorch_mll(ExactMarginalLogLikelihood(changing.likelihood, changing))
    assert not changing.posterior(X).mean.allclose(-after)
    same_posterior(changing.posterior(X), stock(changing).posterior(X))


def test_the_outputs_of_a_surrogate_are_those_of_a_model_list():
    space = TableSpace({"a": [1, 2, 3, 4, 5, 6], "b": list("xyxyxz")})
    values = np.random.default_rng(0).random((6, 3)) + 1
    objectives = [Objective("j", "min"), Objective("s", "min"), Objective("acc", "max")]
    surrogate = Surrogate.fit(space, space.rows_, values, None, objectives)
    assert isinstance(surrogate.model, ModelListGP)
    assert surrogate.model.num_outputs == 3
    X = torch.as_tensor(space.rows_).double()[:, None]
    part = surrogate.model.subset_output([0, 2])
    assert part.num_outputs == 2
    whole = surrogate.model.posterior(X).mean
    assert part.posterior(X).mean.equal(whole[..., [0, 2]])
    best = [int(values[:, 0].argmin()), int(values[:, 2].argmax())]
    for j, k in zip((0, 2), best, strict=True):  # larger is better
        assert whole[k, 0, j] >= whole[:, 0, j].median()
    sampler = SobolQMCNormalSampler(torch.Size([4]), seed=0)
    fantasies = surrogate.model.fantasize(X[:2, 0], sampler)
    assert fantasies.posterior(X[:, 0]).mean.shape == (4, 6, 3)
    believer = surrogate.condition_on_mean(space.rows_[:2])
    torch.testing.assert_close(believer.moments(space.rows_)[0], surrogate.moments(space.rows_)[0])
