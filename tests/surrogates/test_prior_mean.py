"""What is expected of choices: it counts until the measurements say otherwise."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from botorch.fit import fit_gpytorch_mll
from botorch.models import SingleTaskGP
from gpytorch.mlls import ExactMarginalLogLikelihood

from tuner.features import read_uvl
from tuner.space import Knowledge, SearchSpace
from tuner.surrogates import ConfigurationGP, Objective, Surrogate
from tuner.surrogates.distances import DistanceTables
from tuner.surrogates.fitting import Lookup, fit_map, negative_log_posterior
from tuner.surrogates.prior_mean import PriorMean
from tuner.surrogates.surrogate import as_inputs

MODEL = """features
    R {abstract}
        mandatory
            Integer batch {values [1, 2, 4, 8, 16, 32], log true, BATCH}
            Integer threads {values [1, 2, 4, 8], default 8, log true}
            String dtype {values ['full', 'half', 'int8'], DTYPE}
            cache
                alternative
                    Growing
                    NoCache {CACHE}
"""
RIGHT = {
    "BATCH": "expect 'energy ^-0.7, latency ^0.3'",
    "DTYPE": "expect 'half: energy *0.6; int8: energy *0.5, accuracy -0.1'",
    "CACHE": "expect 'energy *4'",
}
WRONG = {
    "BATCH": "expect 'energy ^0.7, latency ^-0.3'",
    "DTYPE": "expect 'half: energy *1.7; int8: energy *2, accuracy +0.1'",
    "CACHE": "expect 'energy *0.25'",
}
ENERGY = Objective("energy_j", "min", kind="energy")
ACCURACY = Objective("accuracy", "max", kind="accuracy")


def space_with(said):
    text = MODEL
    for name, attribute in said.items():
        text = text.replace(f", {name}", f", {attribute}").replace(
            f"{{{name}}}", f"{{{attribute}}}"
        )
    return SearchSpace.from_model(read_uvl(text))


SPACES = {
    "right": space_with(RIGHT),
    "wrong": space_with(WRONG),
    "nothing": space_with(dict.fromkeys(RIGHT, "note 0")),
}


def energies(space, codes):
    """What is right holds, not to the digit, and threads matter too."""
    said = Knowledge.of(SPACES["right"], "energy").total(codes)
    threads = np.array([float(c["threads"]) for c in space.decode(codes)])
    return 3 * np.exp(0.9 * said) * threads**0.2


def rows_of(space, n, seed=0):
    rows = np.random.default_rng(seed).permutation(space.rows())
    default = space.encode([space.default])
    return np.concatenate([default, rows[~(rows == default).all(1)]])[:n], rows


def errors(name, n, seed=0):
    space = SPACES[name]
    codes, rows = rows_of(space, n, seed)
    surrogate = Surrogate.fit(space, codes, energies(space, codes)[:, None], None, [ENERGY])
    return abs(np.log(surrogate.predict(rows).mean[:, 0] / energies(space, rows)))


def test_from_the_default_alone_the_expected_factors_are_predicted():
    space = SPACES["right"]
    code = space.encode([space.default])
    surrogate = Surrogate.fit(space, code, np.array([[3.0, 0.9]]), None, [ENERGY, ACCURACY])
    asked = [{"batch": 32}, {"cache": "NoCache"}, {"dtype": "int8"}]
    codes = space.encode([space.configuration(values) for values in asked])
    mean = surrogate.predict(codes).mean
    assert mean[:, 0] == pytest.approx([3 * 32**-0.7, 12.0, 1.5], rel=1e-6)
    assert mean[:, 1] == pytest.approx([0.9, 0.9, 0.8], abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_right_knowledge_predicts_better_from_four_measurements(seed):
    assert np.median(errors("right", 4, seed)) < 0.75 * np.median(errors("nothing", 4, seed))


@pytest.mark.parametrize("seed", range(3))
def test_knowledge_turned_upside_down_is_unlearned(seed):
    assert np.median(errors("wrong", 5, seed)) > np.median(errors("wrong", 20, seed))
    assert np.median(errors("wrong", 20, seed)) < 0.1


def test_what_is_expected_of_one_metric_does_not_touch_another():
    value = np.random.default_rng(0).random((12, 1)) + 0.5
    other = [Objective("memory", "min", kind="memory")]
    predicted = []
    for name in ("right", "nothing"):
        codes, rows = rows_of(SPACES[name], 12)
        surrogate = Surrogate.fit(SPACES[name], codes, value, None, other)
        predicted.append(surrogate.predict(rows))
    assert (predicted[0].mean == predicted[1].mean).all()
    assert (predicted[0].sd == predicted[1].sd).all()


@pytest.fixture(scope="module")
def model():
    space = SPACES["right"]
    codes, _ = rows_of(space, 15)
    distances = DistanceTables.of(space.parameters, range(len(space.parameters)))
    prior = PriorMean.of(distances, Knowledge.of(space, "energy")).times(-0.8)
    y = torch.from_numpy(-np.log(energies(space, codes)))
    y = (y - y.mean())[:, None]
    noise = torch.full_like(y, 0.01)
    return ConfigurationGP(as_inputs(codes), y, noise, distances=distances, prior=prior)


def test_the_posterior_is_that_of_botorch_with_the_same_mean_and_kernel(model):
    fitted = fit_map(model)
    stock = SingleTaskGP(
        fitted.train_inputs[0],
        fitted.train_targets[..., None],
        likelihood=fitted.likelihood,
        covar_module=fitted.covar_module,
        mean_module=fitted.mean_module,
        outcome_transform=None,
    ).eval()
    X = as_inputs(rows_of(SPACES["right"], 60, 1)[0])
    for inputs in (X, X[:, None]):
        own, theirs = fitted.posterior(inputs), stock.posterior(inputs)
        torch.testing.assert_close(own.mean, theirs.mean, rtol=1e-6, atol=1e-8)
        torch.testing.assert_close(own.variance, theirs.variance, rtol=1e-5, atol=1e-7)
    whole = fitted.condition_on_observations(X[:3], fitted.posterior(X[:3]).mean)
    again = whole.posterior(X[:, None])
    torch.testing.assert_close(again.mean, fitted.posterior(X[:, None]).mean, rtol=1e-5, atol=1e-6)


def test_the_fit_is_that_of_gpytorch(model):
    lookup = Lookup.of_rows(
        model.distances, model.distances.value_indices(model.train_inputs[0]), model.prior
    )
    own = [
        negative_log_posterior(h, lookup, model.residuals, model.known_variance)
        for h in (model.log_hyperparameters, model.log_hyperparameters + 0.3)
    ]
    theirs = []
    for shift in (0.0, 0.3):
        model.log_hyperparameters = model.log_hyperparameters + shift
        mll = ExactMarginalLogLikelihood(model.likelihood, model)
        mll.train()
        value = mll(model(*model.train_inputs), model.train_targets)
        theirs.append(-float(value.detach()) * len(model.train_targets))
        model.eval()
    model.log_hyperparameters = model.log_hyperparameters - 0.3
    assert own[1][0] - own[0][0] == pytest.approx(theirs[1] - theirs[0], rel=1e-5)
    stepped = [
        negative_log_posterior(
            model.log_hyperparameters + step, lookup, model.residuals, model.known_variance
        )[0]
        for step in 1e-5 * torch.eye(len(own[0][1]), dtype=torch.float64)
    ]
    slopes = [(value - own[0][0]) / 1e-5 for value in stepped]
    assert own[0][1].tolist() == pytest.approx(slopes, rel=1e-3, abs=1e-3)


@pytest.mark.slow
def test_botorch_fits_it_too(model):
    fitted = fit_map(model).log_hyperparameters
    mll = ExactMarginalLogLikelihood(model.likelihood, model)
    fit_gpytorch_mll(mll)
    torch.testing.assert_close(model.log_hyperparameters, fitted, rtol=0.05, atol=0.05)
