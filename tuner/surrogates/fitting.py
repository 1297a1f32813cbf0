"""The fast fitter of a `ConfigurationGP`: hyperparameters at the maximum of their posterior.

It maximises what `gpytorch.mlls.ExactMarginalLogLikelihood` is on the model (up to a factor and a
constant), from the same start and within the same bounds as `botorch.fit.fit_gpytorch_mll`, which
has none for the noise. The gradient is written out instead of differentiated, and kernels of single
parameters are differentiated between values instead of between rows (`benchmarks/fitting.py` says
what that buys).

Notation: n rows, d parameters, V values of all parameters together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from tuner.surrogates.distances import DistanceTables
from tuner.surrogates.gp import JITTER, NOISE_PRIOR, ConfigurationGP, safe_cholesky
from tuner.surrogates.kernel import (
    JOINT_PRIOR,
    LENGTH_BOUNDS,
    LENGTH_PRIOR,
    WEIGHT_BOUNDS,
    WEIGHT_SD,
    matern_and_slope,
)
from tuner.surrogates.prior_mean import PriorMean

MAX_ITERATIONS = 60
TOLERANCE = 1e-6
"""Relative change of the objective at which L-BFGS-B ends."""
NOISE_BOUNDS = (-12.0, 1.0)
"""Bounds of the log of the learned noise."""


def fit_map(model: ConfigurationGP) -> ConfigurationGP:
    """Set the hyperparameters of a model without batch dimensions to their optimum.

    The model is changed and returned.
    """
    from scipy.optimize import minimize

    d = len(model.distances.columns)
    indices = model.distances.value_indices(model.train_inputs[0])
    lookup = Lookup.of_rows(model.distances, indices, model.prior)
    residuals = model.residuals
    start, _ = _prior(d)

    def loss(vector: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = negative_log_posterior(
            torch.from_numpy(vector), lookup, residuals, model.known_variance
        )
        return value, gradient.numpy()

    with torch.no_grad():
        found = minimize(
            loss,
            start.numpy(),
            jac=True,
            method="L-BFGS-B",
            bounds=[WEIGHT_BOUNDS] * d + [LENGTH_BOUNDS] * d + [WEIGHT_BOUNDS, NOISE_BOUNDS],
            options={"maxiter": MAX_ITERATIONS, "ftol": TOLERANCE},
        )
    model.log_hyperparameters = torch.from_numpy(found.x)
    return model


@dataclass(frozen=True)
class Lookup:
    """What the likelihood needs of n measured rows, computed once per fit.

    Attributes:
        bags: which values each row has, `n x d`, as indices among all V.
        squared: squared distance of every value to that of each row, `V x n`.
        has: 1 where a row has a value, `V x n`.
        of: 1 where a value belongs to a parameter, `d x V`.
        expected: covariance of the rows for what is expected of them not being sure, `n x n`,
            which no hyperparameter changes; None where nothing is expected.

    """

    bags: Tensor
    squared: Tensor
    has: Tensor
    of: Tensor
    expected: Tensor | None = None

    @classmethod
    def of_rows(
        cls, distances: DistanceTables, indices: Tensor, prior: PriorMean | None = None
    ) -> Lookup:
        """Precompute for the value indices `n x d` of the measured rows."""
        squared = distances.to_values(indices)
        bags = indices + distances.offsets
        has = torch.zeros(squared.shape, dtype=torch.float64)
        has.scatter_(0, bags.T, 1.0)
        of = (distances.owner[None, :] == torch.arange(len(distances.tables))[:, None]).double()
        if prior is None:
            return cls(bags, squared, has, of)
        of_values = prior.covariance_of_values(indices)
        return cls(bags, squared, has, of, embedding_bag(bags, of_values, mode="sum"))


def negative_log_posterior(
    log_hyperparameters: Tensor, lookup: Lookup, y: Tensor, known_variance: Tensor
) -> tuple[float, Tensor]:
    """Minus the log posterior density of `ConfigurationGP.log_hyperparameters`, and its gradient.

    `y` are the observations less what is expected of them (`ConfigurationGP.residuals`). Terms
    that do not depend on the hyperparameters are left out. With Q = (K^-1 - alpha alpha^T) / 2 the
    derivative of the likelihood by any theta is sum(Q * dK/dtheta). For the kernel of one
    parameter that sum runs over values and rows only, after Q was summed over the rows that share
    a value.
    """
    d = len(lookup.of)
    w, inverse, s, noise = _unpack(log_hyperparameters, d)
    scaled = (inverse @ lookup.of)[:, None] * lookup.squared
    single, single_slope = matern_and_slope(scaled)
    weight = (w @ lookup.of)[:, None]
    joint, joint_slope = matern_and_slope((4 / d) * embedding_bag(lookup.bags, scaled, mode="sum"))
    K = embedding_bag(lookup.bags, weight * single, mode="sum") + s * joint
    if lookup.expected is not None:
        K += lookup.expected
    K.diagonal().add_(noise + JITTER + known_variance)
    chol = safe_cholesky(K)
    inverse_K = torch.cholesky_inverse(chol)
    alpha = inverse_K @ y
    Q = 0.5 * (inverse_K - alpha[:, None] * alpha[None, :])
    by_value = lookup.has @ Q
    by_value_joint = lookup.has @ (Q * joint_slope)
    by_w = w * (lookup.of @ (by_value * single).sum(1))
    by_length = weight * by_value * single_slope + s * (4 / d) * by_value_joint
    by_l = -2.0 * (lookup.of @ (by_length * scaled).sum(1))
    by_joint = s * (Q * joint).sum()
    gradient = torch.cat([by_w, by_l, torch.stack([by_joint, noise * Q.diagonal().sum()])])
    value = 0.5 * (y @ alpha) + chol.diagonal().log().sum()
    means, sds = _prior(d)
    away = (log_hyperparameters - means) / sds
    return float(value + 0.5 * (away @ away)), gradient + away / sds


def _unpack(log_hyperparameters: Tensor, d: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """w, 1 / l^2, s and the noise variance."""
    h = log_hyperparameters
    return h[:d].exp(), (-2.0 * h[d : 2 * d]).exp(), h[-2].exp(), h[-1].exp()


def _prior(d: int) -> tuple[Tensor, Tensor]:
    means = [-np.log(d)] * d + [LENGTH_PRIOR[0]] * d + [JOINT_PRIOR[0], NOISE_PRIOR[0]]
    sds = [WEIGHT_SD] * d + [LENGTH_PRIOR[1]] * d + [JOINT_PRIOR[1], NOISE_PRIOR[1]]
    return torch.tensor(means, dtype=torch.float64), torch.tensor(sds, dtype=torch.float64)
