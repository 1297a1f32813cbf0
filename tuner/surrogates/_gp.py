r"""A Gaussian process over configurations, fitted in milliseconds.

The kernel is a sum of one kernel per parameter and one kernel on all of them,

.. math:: k(x, x') = \sum_j w_j M(d_j^2 / l_j^2) + s M(\sum_j c d_j^2 / l_j^2),

with M the Matern-5/2 function of a squared distance. Costs of running a model are close to
products of one factor per parameter, so that on the log scale the sum predicts well from ten
measurements; the joint kernel learns the interactions. c = 4/d keeps the joint distance
comparable as parameters are added (Hvarfner et al. 2024, "Vanilla Bayesian optimization performs
great in high dimensions"). Hyperparameters are at the maximum of the posterior; the gradient is
written out, because that is several times faster than differentiating through the graph.

Domains are finite, so kernels of single parameters are computed between values, not between
rows, and spread by lookup: their cost does not grow with the square of the measurements.

Notation: n rows, d parameters, V values of all parameters together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from tuner.surrogates._distance import DistanceTables

SQRT5 = math.sqrt(5.0)
JITTER = 1e-6
MAX_ITERATIONS = 60

LENGTH_PRIOR = (0.0, 1.0)
"""Mean and standard deviation of log l: a length of 1 is the whole domain of a parameter."""
WEIGHT_SD = 1.5
"""Standard deviation of log w around log(1 / d)."""
JOINT_PRIOR = (-1.0, 1.0)
"""Mean and standard deviation of log s."""
NOISE_PRIOR = (-4.0, 1.0)
"""Mean and standard deviation of the log of the noise variance that the repeats do not show."""


@dataclass(frozen=True)
class GP:
    """A fitted process for one standardised objective.

    Attributes:
        distances: lookup tables of the parameters that matter.
        places: measured rows `n x d`.
        hyper: log w, log l (d each), log s, log noise: length 2 d + 2.
        chol: lower Cholesky factor of the covariance of the observations, `n x n`.
        alpha: covariance^-1 y, length n.

    """

    distances: DistanceTables
    places: Tensor
    hyper: Tensor
    chol: Tensor
    alpha: Tensor

    @property
    def noise(self) -> float:
        """Learned variance of one measurement beyond what its repeats show."""
        return float(self.hyper[-1].exp())

    def cross(self, places: Tensor) -> Tensor:
        """Covariance of N new rows with the measured ones, `N x n`."""
        return _spread(self.hyper, self.distances, places, self._by_value)

    @cached_property
    def _by_value(self) -> Tensor:
        """What every value of a parameter has in common with the measured ones, `V x 2 n`."""
        return _by_value(self.hyper, self.distances, self.places)

    def predict(self, places: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of the objective itself (no noise) at N rows, length N each."""
        cross = self.cross(places)
        half = torch.linalg.solve_triangular(self.chol, cross.T, upper=False)
        variance = self.prior_variance - (half * half).sum(0)
        return cross @ self.alpha, variance.clamp_min(1e-10)

    def joint(self, places: Tensor) -> tuple[Tensor, Tensor]:
        """Mean (N) and covariance `N x N` of the objective at N rows."""
        cross = self.cross(places)
        half = torch.linalg.solve_triangular(self.chol, cross.T, upper=False)
        prior = _covariance(self.hyper, self.distances, places, places)
        return cross @ self.alpha, prior - half.T @ half

    @property
    def prior_variance(self) -> float:
        """Variance before anything was measured."""
        w, _, s, _ = _unpack(self.hyper, len(self.distances.columns))
        return float(w.sum() + s)

    def with_data(self, places: Tensor, y: Tensor, known_noise: Tensor) -> GP:
        """The same hyperparameters on other data: fantasies, or leaving some out."""
        covariance = _covariance(self.hyper, self.distances, places, places)
        covariance.diagonal().add_(self.noise + JITTER + known_noise)
        chol = safe_cholesky(covariance)
        alpha = torch.cholesky_solve(y[:, None], chol)[:, 0]
        return GP(self.distances, places, self.hyper, chol, alpha)


def fit_gp(distances: DistanceTables, places: Tensor, y: Tensor, known_noise: Tensor) -> GP:
    """Fit a process to standardised observations.

    Args:
        distances: lookup tables of the d parameters that matter.
        places: measured rows `n x d`.
        y: observations, mean 0 and variance 1, length n.
        known_noise: variance of each observation that its repeats show, length n.

    """
    from scipy.optimize import minimize

    d = len(distances.columns)
    lookup = _Lookup.of_rows(distances, places)
    start, _ = _prior(d)

    def loss(vector: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = _negative_log_posterior(torch.from_numpy(vector), lookup, y, known_noise)
        return value, gradient.numpy()

    found = minimize(
        loss,
        start.numpy(),
        jac=True,
        method="L-BFGS-B",
        bounds=[(-8.0, 4.0)] * d + [(-4.0, 4.0)] * d + [(-8.0, 4.0), (-12.0, 1.0)],
        options={"maxiter": MAX_ITERATIONS, "ftol": 1e-6},
    )
    blank = torch.empty(0, dtype=torch.float64)
    unfitted = GP(distances, places, torch.from_numpy(found.x), blank, blank)
    return unfitted.with_data(places, y, known_noise)


def matern(squared: Tensor) -> Tensor:
    """Matern-5/2 correlation of squared distances."""
    r = (5.0 * squared).sqrt()
    return (1.0 + r + (5.0 / 3.0) * squared) * torch.exp(-r)


def _matern_and_slope(squared: Tensor) -> tuple[Tensor, Tensor]:
    """Correlation, and its derivative by the squared distance."""
    r = (5.0 * squared).sqrt()
    decay = torch.exp(-r)
    rise = (1.0 + r) * decay
    return rise + (5.0 / 3.0) * squared * decay, (-5.0 / 6.0) * rise


def _unpack(hyper: Tensor, d: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """w, 1 / l^2, s and the noise variance."""
    return hyper[:d].exp(), (-2.0 * hyper[d : 2 * d]).exp(), hyper[-2].exp(), hyper[-1].exp()


def _covariance(hyper: Tensor, distances: DistanceTables, rows: Tensor, others: Tensor) -> Tensor:
    """Covariance without noise of N rows with n others, `N x n`."""
    return _spread(hyper, distances, rows, _by_value(hyper, distances, others))


def _by_value(hyper: Tensor, distances: DistanceTables, others: Tensor) -> Tensor:
    """What n rows have in common with every value of each parameter, `V x 2 n`.

    On the left the covariance of the parameter's own kernel, on the right the distance that the
    value adds in the joint kernel.
    """
    d = len(distances.columns)
    w, inverse, _, _ = _unpack(hyper, d)
    owner = distances.owner
    squared = torch.cat(distances.to_values(others))
    single = w[owner, None] * matern(squared * inverse[owner, None])
    return torch.cat([single, ((4 / d) * inverse)[owner, None] * squared], 1)


def _spread(hyper: Tensor, distances: DistanceTables, rows: Tensor, by_value: Tensor) -> Tensor:
    """Covariance of N rows with n others from that of their values, `N x n`."""
    both = embedding_bag(rows + distances.offsets, by_value, mode="sum")
    single, joint = both.tensor_split(2, 1)
    return single + hyper[-2].exp() * matern(joint)


@dataclass(frozen=True)
class _Lookup:
    """What the likelihood needs of n measured rows, computed once per fit.

    Attributes:
        bags: which values each row has, `n x d`, as places among all V.
        squared: squared distance of every value to that of each row, `V x n`.
        has: 1 where a row has a value, `V x n`.
        of: 1 where a value belongs to a parameter, `d x V`.

    """

    bags: Tensor
    squared: Tensor
    has: Tensor
    of: Tensor

    @classmethod
    def of_rows(cls, distances: DistanceTables, places: Tensor) -> _Lookup:
        """Precompute for the measured rows `n x d`."""
        squared = torch.cat(distances.to_values(places))
        bags = places + distances.offsets
        has = torch.zeros(squared.shape, dtype=torch.float64)
        has.scatter_(0, bags.T, 1.0)
        of = (distances.owner[None, :] == torch.arange(len(distances.tables))[:, None]).double()
        return cls(bags, squared, has, of)


def _negative_log_posterior(
    hyper: Tensor, lookup: _Lookup, y: Tensor, known_noise: Tensor
) -> tuple[float, Tensor]:
    """Minus the log posterior density of the log hyperparameters, and its gradient.

    With Q = (K^-1 - alpha alpha^T) / 2 the derivative of the likelihood by any theta is
    sum(Q * dK/dtheta). For the kernel of one parameter that sum runs over values and rows only,
    after Q was summed over the rows that share a value.
    """
    d = len(lookup.of)
    w, inverse, s, noise = _unpack(hyper, d)
    scaled = (inverse @ lookup.of)[:, None] * lookup.squared
    single, single_slope = _matern_and_slope(scaled)
    weight = (w @ lookup.of)[:, None]
    joint, joint_slope = _matern_and_slope((4 / d) * embedding_bag(lookup.bags, scaled, mode="sum"))
    K = embedding_bag(lookup.bags, weight * single, mode="sum") + s * joint
    K.diagonal().add_(noise + JITTER + known_noise)
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
    away = (hyper - means) / sds
    return float(value + 0.5 * (away @ away)), gradient + away / sds


def _prior(d: int) -> tuple[Tensor, Tensor]:
    means = [-math.log(d)] * d + [LENGTH_PRIOR[0]] * d + [JOINT_PRIOR[0], NOISE_PRIOR[0]]
    sds = [WEIGHT_SD] * d + [LENGTH_PRIOR[1]] * d + [JOINT_PRIOR[1], NOISE_PRIOR[1]]
    return torch.tensor(means, dtype=torch.float64), torch.tensor(sds, dtype=torch.float64)


def safe_cholesky(matrix: Tensor) -> Tensor:
    """Cholesky factor, with as much jitter as that takes."""
    jitter = 0.0
    for _ in range(6):
        shifted = matrix.clone()
        shifted.diagonal().add_(jitter)
        chol, info = torch.linalg.cholesky_ex(shifted)
        if int(info) == 0:
            factor: Tensor = chol
            return factor
        jitter = max(10 * jitter, 1e-6)
    raise ValueError("a covariance is not positive definite; is a measured value not finite?")
