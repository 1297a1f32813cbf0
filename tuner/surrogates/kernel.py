r"""The kernel of all surrogates, and the priors of its hyperparameters.

It is a sum of one kernel per parameter and one kernel on all of them,

.. math:: k(x, x') = \sum_j w_j M(d_j^2 / l_j^2) + s M(\sum_j c d_j^2 / l_j^2),

with M the Matern-5/2 function of a squared distance. Costs of running a model are close to
products of one factor per parameter, so that on the log scale the sum predicts well from ten
measurements; the joint kernel learns the interactions. c = 4/d keeps the joint distance
comparable as parameters are added (Hvarfner et al. 2024, "Vanilla Bayesian optimization performs
great in high dimensions").

Domains are finite, so kernels of single parameters are computed between values, not between
rows, and spread by lookup: their cost does not grow with the square of the measurements.

Notation: n and N rows, d parameters, V values of all parameters together; "..." stands for any
batch dimensions.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from gpytorch.constraints import Interval
from gpytorch.kernels import Kernel
from gpytorch.priors import NormalPrior
from torch import Tensor
from torch.nn.functional import embedding_bag

from tuner.surrogates.distances import DistanceTables
from tuner.surrogates.prior_mean import PriorMean

LENGTH_PRIOR = (0.0, 1.0)
"""Mean and standard deviation of log l: a length of 1 is the whole domain of a parameter."""
WEIGHT_SD = 1.5
"""Standard deviation of log w around log(1 / d)."""
JOINT_PRIOR = (-1.0, 1.0)
"""Mean and standard deviation of log s."""
WEIGHT_BOUNDS, LENGTH_BOUNDS = (-8.0, 4.0), (-4.0, 4.0)
"""Bounds of log w and log s, and of log l."""
TINY = 1e-60
"""Least squared distance that is differentiated: the square root has no slope at 0."""


class AdditiveJointKernel(Kernel):  # type: ignore[misc]
    """Main effects of the parameters and one term for their interactions.

    The rows that it compares are codes of a space, `... x p`, as floats. Hyperparameters are
    logarithms with normal priors, so the maximum of their posterior is one of the logarithms.

    Args:
        distances: squared distances between the values of the d parameters that matter.
        batch_shape: of the hyperparameters.
        prior: what is expected of the values, whose uncertainty adds to the covariance.

    Attributes:
        log_weight: log w, `batch_shape x d`.
        log_lengthscale: log l, `batch_shape x d`.
        log_joint_weight: log s, `batch_shape x 1`.

    """

    has_lengthscale = False
    log_weight: Tensor
    log_lengthscale: Tensor
    log_joint_weight: Tensor

    def __init__(
        self,
        distances: DistanceTables,
        batch_shape: torch.Size | None = None,
        prior: PriorMean | None = None,
    ) -> None:
        batch = torch.Size() if batch_shape is None else batch_shape
        super().__init__(batch_shape=batch)
        self.distances, self.prior = distances, prior
        d = len(distances.columns)
        weight = (-math.log(d), WEIGHT_SD)
        self._add("log_weight", batch, d, weight, WEIGHT_BOUNDS)
        self._add("log_lengthscale", batch, d, LENGTH_PRIOR, LENGTH_BOUNDS)
        self._add("log_joint_weight", batch, 1, JOINT_PRIOR, WEIGHT_BOUNDS)

    def _add(
        self,
        name: str,
        batch: torch.Size,
        size: int,
        prior: tuple[float, float],
        bounds: tuple[float, float],
    ) -> None:
        """Register a hyperparameter that starts at the mean of its prior."""
        start = torch.full((*batch, size), prior[0], dtype=torch.float64)
        self.register_parameter(name, torch.nn.Parameter(start))
        self.register_constraint(name, Interval(*bounds, transform=None))
        self.register_prior(
            f"{name}_prior",
            NormalPrior(*torch.tensor(prior, dtype=torch.float64)),
            lambda module: getattr(module, name),
            lambda module, value: module.initialize(**{name: value}),
        )

    @property
    def prior_variance(self) -> Tensor:
        """Variance of any row before anything was measured, of shape `batch_shape`.

        That of what is expected comes on top (`PriorMean.covariance`).
        """
        return self.log_weight.exp().sum(-1) + self.log_joint_weight[..., 0].exp()

    def forward(self, x1: Tensor, x2: Tensor, diag: bool = False, **_: Any) -> Tensor:
        """Covariance `... x N x n` of rows `... x N x p` with others `... x n x p`.

        With `diag` the covariances of the k-th row with the k-th other, `... x n`.
        """
        rows, others = self.distances.value_indices(x1), self.distances.value_indices(x2)
        if diag:
            return self._between_pairs(rows, others)
        return self.spread(rows, self.by_value(others))

    def by_value(self, others: Tensor) -> Tensor:
        """What n rows have in common with every value of each parameter.

        Value indices `... x n x d` to `... x V x 2 n`: on the left the covariance of the
        parameter's own kernel and of what is expected of the value, on the right the distance that
        the value adds in the joint kernel.
        """
        owner, d = self.distances.owner, len(self.distances.columns)
        weight = self.log_weight.exp()[..., owner, None]
        inverse = (-2.0 * self.log_lengthscale).exp()
        squared = self.distances.to_values(others)
        single = weight * matern(squared * inverse[..., owner, None])
        if self.prior is not None:
            single = single + self.prior.covariance_of_values(others)
        return torch.cat([single, ((4 / d) * inverse)[..., owner, None] * squared], -1)

    def spread(self, rows: Tensor, by_value: Tensor) -> Tensor:
        """Covariance `... x N x n` of rows (value indices) with others, from that of values."""
        bags = rows + self.distances.offsets
        if by_value.ndim > 2:
            batch = torch.broadcast_shapes(rows.shape[:-2], by_value.shape[:-2])  # type: ignore[no-untyped-call]
            shifts = by_value.shape[-2] * torch.arange(batch.numel())
            bags = bags.expand(*batch, *bags.shape[-2:]) + shifts.reshape(*batch, 1, 1)
            by_value = by_value.expand(*batch, *by_value.shape[-2:]).flatten(0, -2)
        both = embedding_bag(bags.flatten(0, -2), by_value, mode="sum")
        single, joint = both.reshape(*bags.shape[:-1], -1).tensor_split(2, -1)
        return single + self.log_joint_weight.exp()[..., None] * matern(joint)

    def _between_pairs(self, rows: Tensor, others: Tensor) -> Tensor:
        """Covariances of pairs of rows, `... x n` from value indices `... x n x d`."""
        tables = enumerate(self.distances.tables)
        squared = torch.stack([t[rows[..., k], others[..., k]] for k, t in tables], -1)
        scaled = squared * (-2.0 * self.log_lengthscale).exp()[..., None, :]
        single = (self.log_weight.exp()[..., None, :] * matern(scaled)).sum(-1)
        joint = matern((4 / scaled.shape[-1]) * scaled.sum(-1))
        if self.prior is not None:
            single = single + self.prior.covariance(rows, others)
        return single + self.log_joint_weight.exp() * joint


def matern(squared: Tensor) -> Tensor:
    """Matern-5/2 correlation of squared distances."""
    r = _scaled_distance(squared)
    return (1.0 + r + (5.0 / 3.0) * squared) * torch.exp(-r)


def matern_and_slope(squared: Tensor) -> tuple[Tensor, Tensor]:
    """Correlation, and its derivative by the squared distance."""
    r = _scaled_distance(squared)
    decay = torch.exp(-r)
    rise = (1.0 + r) * decay
    return rise + (5.0 / 3.0) * squared * decay, (-5.0 / 6.0) * rise


def _scaled_distance(squared: Tensor) -> Tensor:
    five = 5.0 * squared
    # Autograd would multiply the infinite slope of the root at 0 by 0.
    return (five.clamp_min(TINY) if five.requires_grad else five).sqrt()
