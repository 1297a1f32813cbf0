"""The process is the textbook's, only faster."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tuner.space import Parameter, TableSpace
from tuner.surrogates import ConfigurationGP, Feasibility, Objective, OutcomeTransform, Surrogate
from tuner.surrogates.distances import DistanceTables
from tuner.surrogates.fitting import Lookup, fit_map, negative_log_posterior
from tuner.surrogates.gp import NOISE_PRIOR
from tuner.surrogates.kernel import matern
from tuner.surrogates.surrogate import as_inputs


@pytest.fixture(scope="module")
def space():
    rng = np.random.default_rng(0)
    n = 120
    return TableSpace(
        {
            "model": rng.choice(["s", "m", "l"], n).tolist(),
            "batch": rng.choice([1, 2, 4, 8, 16], n).tolist(),
            "beams": rng.integers(1, 7, n).tolist(),
        }
    )


@pytest.fixture(scope="module")
def fitted(space):
    codes = space.rows_[:25]
    distances = DistanceTables.of(space.parameters, range(3))
    y = torch.tensor(np.random.default_rng(1).normal(size=25))
    known = torch.full((25,), 0.01, dtype=torch.float64)
    model = ConfigurationGP(as_inputs(codes), y[:, None], known[:, None], distances=distances)
    return fit_map(model), codes, y, known


def test_the_written_gradient_is_the_gradient(fitted):
    gp, codes, y, known = fitted
    lookup = Lookup.of_rows(gp.distances, gp.distances.value_indices(codes))
    noise = torch.randn(8, generator=torch.Generator().manual_seed(0))
    hyperparameters = gp.log_hyperparameters + 0.2 * noise

    def loss(vector):
        return negative_log_posterior(vector, lookup, y, known)

    steps = 1e-5 * torch.eye(8, dtype=torch.float64)
    numeric = [(loss(hyperparameters + s)[0] - loss(hyperparameters - s)[0]) / 2e-5 for s in steps]
    assert loss(hyperparameters)[1].tolist() == pytest.approx(numeric, rel=1e-4, abs=1e-5)


def test_predictions_are_those_of_the_dense_formula(space, fitted):
    gp, codes, y, known = fitted
    d = 3
    h = gp.log_hyperparameters
    w, inverse, s = h[:d].exp(), (-2 * h[d : 2 * d]).exp(), h[-2].exp()

    def kernel(a, b):
        total, squared = torch.zeros(len(a), len(b)), torch.zeros(len(a), len(b))
        total, squared = total.double(), squared.double()
        for j, p in enumerate(space.parameters):
            if p.kind == "ordered":
                x = torch.tensor(p.positions)
                distance = ((x[a[:, j]][:, None] - x[b[:, j]][None]) ** 2).double()
            else:
                distance = torch.tensor(a[:, j][:, None] != b[:, j][None]).double()
            total += w[j] * matern(distance * inverse[j])
            squared += distance * inverse[j] * 4 / d
        return total + s * matern(squared)

    new = space.rows_[25:60]
    K = kernel(codes, codes) + torch.diag(known + gp.noise + 1e-6)
    cross = kernel(new, codes)
    single = gp.posterior(as_inputs(new)[:, None])
    mean, variance = single.mean[:, 0, 0], single.variance[:, 0, 0]
    torch.testing.assert_close(mean, cross @ torch.linalg.solve(K, y), rtol=1e-5, atol=1e-6)
    dense = kernel(new, new) - cross @ torch.linalg.solve(K, cross.T)
    torch.testing.assert_close(variance, dense.diagonal(), rtol=1e-5, atol=1e-6)
    joint = gp.posterior(as_inputs(new)).distribution
    torch.testing.assert_close(joint.covariance_matrix, dense, rtol=1e-5, atol=1e-6)


def test_products_of_one_factor_per_parameter_are_learned_from_few_points(space):
    values = np.array(
        [
            {"s": 1.0, "m": 3.0, "l": 9.0}[c["model"]] * c["batch"] ** -0.7 * 1.2 ** c["beams"]
            for c in space.decode(space.rows_)
        ]
    )[:, None]
    learn = np.random.default_rng(0).permutation(len(space))[:20]
    surrogate = Surrogate.fit(
        space, space.rows_[learn], values[learn], None, [Objective("e", "min")]
    )
    prediction = surrogate.predict(space.rows_)
    error = abs(np.log(prediction.mean / values))
    assert np.median(error) < 0.1
    assert (prediction.mean > 0).all()
    assert (prediction.sd >= 0).all()


def test_a_parameter_makes_no_difference_to_what_it_cannot_affect(space):
    batch = next(j for j, p in enumerate(space.parameters) if p.name == "batch")
    said = tuple(
        Parameter(**{**p.__dict__, "affects": frozenset({"energy"})}) if j == batch else p
        for j, p in enumerate(space.parameters)
    )

    class SaidSpace(TableSpace):
        @property
        def parameters(self):
            return said

    rng = np.random.default_rng(0)
    known = SaidSpace({p.name: [c[p.name] for c in space.decode(space.rows_)] for p in said})
    objectives = [Objective("j", "min", kind="energy"), Objective("a", "max", kind="accuracy")]
    codes = known.rows_[:30]
    surrogate = Surrogate.fit(known, codes, rng.random((30, 2)) + 0.1, None, objectives)
    one, other = codes[:1].copy(), codes[:1].copy()
    other[0, batch] = (one[0, batch] + 1) % 5
    a, b = surrogate.predict(one), surrogate.predict(other)
    assert a.mean[0, 1] == b.mean[0, 1]
    assert a.mean[0, 0] != b.mean[0, 0]


def test_an_inactive_parameter_does_not_separate_configurations():
    parameter = Parameter("top_k", "ordered", (1, 2, 3), (0.0, 0.5, 1.0))
    table = DistanceTables.of([parameter], [0])
    indices = table.value_indices(np.array([[-1], [-1], [0], [2]], dtype=np.int32))
    assert table.to_values(indices)[indices[:, 0]].tolist() == [
        [0, 0, 1, 1],
        [0, 0, 1, 1],
        [1, 1, 0, 1],
        [1, 1, 1, 0],
    ]


@pytest.mark.parametrize("scale", ["log", "logit", "linear"])
@pytest.mark.parametrize("direction", ["min", "max"])
def test_outcomes_come_back_in_their_unit(scale, direction):
    values = np.array([0.1, 0.3, 0.2, 0.9, 0.5])
    transform = OutcomeTransform.of(values, Objective("x", direction, scale))
    back = transform.untransform(transform.transform(values))
    assert back == pytest.approx(values)
    order = np.argsort(transform.transform(values))
    assert values[order].tolist() == sorted(values, reverse=direction == "min")


def test_one_absurd_value_does_not_flatten_the_rest():
    values = np.append(np.linspace(1.0, 3.0, 20), 1e6)
    transformed = OutcomeTransform.of(values, Objective("x", "min")).transform(values)
    assert np.ptp(transformed[:20]) > 0.7


def test_more_repeats_mean_less_doubt(space):
    codes, values = space.rows_[:20], np.random.default_rng(0).random((20, 1)) + 1
    objective = [Objective("x", "min", "linear")]
    sharp = Surrogate.fit(space, codes, values, np.full((20, 1), 0.01), objective)
    vague = Surrogate.fit(space, codes, values, np.full((20, 1), 0.5), objective)
    assert sharp.predict(codes).sd.mean() < vague.predict(codes).sd.mean()
    assert sharp.models[0].noise < np.exp(NOISE_PRIOR[0] + 3 * NOISE_PRIOR[1])


def test_what_always_fails_is_learned_by_cause(space):
    batch = next(j for j, p in enumerate(space.parameters) if p.name == "batch")
    big = space.rows_[:, batch] >= 3
    learn = np.arange(0, len(space), 3)
    worked = space.rows_[learn][~big[learn]]
    failed = space.rows_[learn][big[learn]]
    model = Feasibility.fit(space, worked, failed, ["out_of_memory"] * len(failed))
    chance = model.probability(as_inputs(space.rows_)).numpy()
    assert chance[big].max() < 0.3
    assert chance[~big].min() > 0.7
    nothing = Feasibility.fit(space, worked, failed[:0], [])
    assert nothing.probability(as_inputs(space.rows_)).min() == 1.0
