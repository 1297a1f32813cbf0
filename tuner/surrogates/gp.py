"""The surrogate of one objective: a BoTorch model over the codes of a space.

`ConfigurationGP` is a `SingleTaskGP` with a mean of 0 or of what is expected, the kernel of
`tuner.surrogates.kernel` and noise of two parts: what the repeats of a measurement show, and a
learned remainder. Everything of BoTorch works on it. Its posterior is computed here, without the
linear operators of GPyTorch: for matrices of this size these cost several times the arithmetic.

Notation: n measured rows, p parameters, q rows that are looked at together; "..." stands for any
batch dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from botorch.acquisition.objective import PosteriorTransform
from botorch.models import SingleTaskGP
from botorch.posteriors import GPyTorchPosterior
from gpytorch.constraints import Positive
from gpytorch.distributions import MultivariateNormal
from gpytorch.likelihoods import FixedNoiseGaussianLikelihood
from gpytorch.means import Mean, ZeroMean
from gpytorch.priors import NormalPrior
from linear_operator import to_linear_operator
from torch import Tensor

from tuner.surrogates.distances import DistanceTables
from tuner.surrogates.kernel import AdditiveJointKernel
from tuner.surrogates.prior_mean import PriorMean

JITTER = 1e-6
"""Part of every noise variance, for the sake of the Cholesky factor."""
LEAST_VARIANCE = 1e-10
NOISE_PRIOR = (-4.0, 1.0)
"""Mean and standard deviation of the log of the noise variance that the repeats do not show."""


@dataclass(frozen=True)
class _Conditioned:
    """What predictions need of the measured rows.

    Attributes:
        by_value: covariance of every value with the rows (`AdditiveJointKernel.by_value`).
        chol: lower Cholesky factor of the covariance of the observations, `... x n x n`.
        alpha: covariance^-1 (y - prior mean), `... x n`.
        prior_variance: variance before anything was measured, of the shape of the batch.

    """

    by_value: Tensor
    chol: Tensor
    alpha: Tensor
    prior_variance: Tensor


class ExpectedMean(Mean):  # type: ignore[misc]
    """The prior mean of codes `... x n x p`, `... x n`."""

    def __init__(self, distances: DistanceTables, prior: PriorMean) -> None:
        super().__init__()
        self.distances, self.prior = distances, prior

    def forward(self, X: Tensor) -> Tensor:
        """What is expected of each row."""
        return self.prior.mean(self.distances.value_indices(X))


class ConfigurationGP(SingleTaskGP):  # type: ignore[misc]
    """A Gaussian process of one objective over configurations.

    Hyperparameters start at the means of their priors. `tuner.surrogates.fitting.fit_map` fits
    them, or `botorch.fit.fit_gpytorch_mll` with an `ExactMarginalLogLikelihood`.

    Args:
        train_X: codes of measured configurations as floats, `... x n x p`.
        train_Y: their observations, larger is better, mean about 0 and variance about 1,
            `... x n x 1`.
        train_Yvar: the variance of each observation that its repeats show, `... x n x 1`; None
            stands for 0.
        distances: lookup tables of the parameters that matter.
        prior: what is expected of their values, in units of the observations; None expects
            nothing.

    """

    def __init__(
        self,
        train_X: Tensor,
        train_Y: Tensor,
        train_Yvar: Tensor | None = None,
        *,
        distances: DistanceTables,
        prior: PriorMean | None = None,
    ) -> None:
        known = torch.zeros_like(train_Y) if train_Yvar is None else train_Yvar
        batch = _broadcast(train_X.shape[:-2], train_Y.shape[:-2])
        super().__init__(
            train_X,
            train_Y,
            likelihood=_noise(known[..., 0], batch),
            covar_module=AdditiveJointKernel(distances, batch, prior),
            mean_module=ZeroMean() if prior is None else ExpectedMean(distances, prior),
            outcome_transform=None,
        )
        self.known_variance = known[..., 0]
        self._conditioned_on: _Conditioned | None = None
        self.eval()

    @property
    def distances(self) -> DistanceTables:
        """Lookup tables of the parameters that matter."""
        tables: DistanceTables = self.covar_module.distances
        return tables

    @property
    def prior(self) -> PriorMean | None:
        """What is expected of the values of parameters."""
        prior: PriorMean | None = self.covar_module.prior
        return prior

    @property
    def residuals(self) -> Tensor:
        """The observations less what was expected of them, `... x n`."""
        targets: Tensor = self.train_targets
        if self.prior is None:
            return targets
        return targets - self.prior.mean(self.distances.value_indices(self.train_inputs[0]))

    @property
    def noise(self) -> Tensor:
        """Learned variance of one measurement beyond what its repeats show, of batch shape."""
        learned: Tensor = self.likelihood.second_noise_covar.noise.detach()[..., 0]
        return learned

    @property
    def log_hyperparameters(self) -> Tensor:
        """Log w, log l (d each), log s and the log of the learned noise, `... x (2 d + 2)`."""
        kernel, noise = self.covar_module, self.likelihood.second_noise_covar
        parts = (kernel.log_weight, kernel.log_lengthscale, kernel.log_joint_weight)
        return torch.cat([*parts, noise.raw_noise], -1).detach()

    @log_hyperparameters.setter
    def log_hyperparameters(self, values: Tensor) -> None:
        kernel, noise = self.covar_module, self.likelihood.second_noise_covar
        d = len(self.distances.columns)
        with torch.no_grad():
            kernel.log_weight.copy_(values[..., :d])
            kernel.log_lengthscale.copy_(values[..., d : 2 * d])
            kernel.log_joint_weight.copy_(values[..., 2 * d : -1])
            noise.raw_noise.copy_(values[..., -1:])
        self._conditioned_on = None

    @torch.no_grad()
    def posterior(
        self,
        X: Tensor,
        output_indices: list[int] | None = None,
        observation_noise: bool | Tensor = False,
        posterior_transform: PosteriorTransform | None = None,
    ) -> GPyTorchPosterior:
        """The posterior of the objective at codes `... x q x p`, jointly over the q rows.

        Codes are integers, so there is nothing to differentiate by and no gradient. With
        `observation_noise` it is that of measurements: true takes the mean noise of the measured
        rows, a tensor `... x q x 1` is taken as it is.
        """
        if self.training:
            self.eval()
        mean, covariance = self._moments(X)
        if observation_noise is not False:
            noise = self._noise_of(observation_noise)
            covariance = covariance + torch.diag_embed(noise.expand(mean.shape))
        normal = MultivariateNormal(mean, to_linear_operator(covariance))
        posterior = GPyTorchPosterior(normal)
        return posterior if posterior_transform is None else posterior_transform(posterior, X)

    def _noise_of(self, observation_noise: bool | Tensor) -> Tensor:
        if isinstance(observation_noise, Tensor):
            return observation_noise[..., 0]
        mean: Tensor = self.likelihood.noise.mean(-1, keepdim=True)
        return mean

    def _moments(self, X: Tensor) -> tuple[Tensor, Tensor]:
        """Mean `... x q` and covariance `... x q x q` at codes `... x q x p`."""
        given = self._conditioned()
        rows = self.distances.value_indices(X)
        cross = self.covar_module.spread(rows, given.by_value)
        alpha = given.alpha
        mean: Tensor = cross @ alpha if alpha.ndim == 1 else (cross @ alpha[..., None])[..., 0]
        if self.prior is not None:
            mean = mean + self.prior.mean(rows)
        half = self._whitened(cross, given.chol)
        if X.shape[-2] == 1:
            variance = given.prior_variance[..., None] - (half * half).sum(-2)
            if self.prior is not None:
                variance = variance + self.prior.covariance(rows, rows)
            return mean, variance.clamp_min(LEAST_VARIANCE)[..., None]
        prior: Tensor = self.covar_module.forward(X, X)
        return mean, prior - half.mT @ half

    @staticmethod
    def _whitened(cross: Tensor, chol: Tensor) -> Tensor:
        """chol^-1 cross^T, `... x n x q`: one solution for all rows where there is one factor."""
        if chol.ndim > 2 or cross.ndim == 2:
            half: Tensor = torch.linalg.solve_triangular(chol, cross.mT, upper=False)
            return half
        flat: Tensor = torch.linalg.solve_triangular(chol, cross.flatten(0, -2).T, upper=False)
        return flat.reshape(-1, *cross.shape[:-1]).movedim(0, -2)

    def _conditioned(self) -> _Conditioned:
        if self._conditioned_on is None:
            kernel, X = self.covar_module, self.train_inputs[0]
            rows = self.distances.value_indices(X)
            by_value = kernel.by_value(rows)
            covariance = kernel.spread(rows, by_value)
            covariance.diagonal(dim1=-2, dim2=-1).add_(
                self.noise[..., None] + JITTER + self.known_variance
            )
            chol = safe_cholesky(covariance)
            alpha = torch.cholesky_solve(self.residuals[..., None], chol)[..., 0]
            variance = kernel.prior_variance
            self._conditioned_on = _Conditioned(by_value, chol, alpha, variance)
        return self._conditioned_on

    def get_fantasy_model(
        self, inputs: Tensor, targets: Tensor, noise: Tensor | None = None, **_: Any
    ) -> ConfigurationGP:
        """The same hyperparameters on the measured rows and further ones.

        This is what `condition_on_observations` and `fantasize` of BoTorch call.

        Args:
            inputs: further codes `... x n' x p`.
            targets: their observations `... x n'`.
            noise: their variance that repeats show, `... x n'`; None stands for 0.

        """
        noise = torch.zeros_like(targets) if noise is None else noise
        X = _joined(self.train_inputs[0], inputs, -2)
        y = _joined(self.train_targets, targets, -1)
        known = _joined(self.known_variance, noise, -1)
        batch = _broadcast(X.shape[:-2], y.shape[:-1], known.shape[:-1])
        X = X.expand(*batch, *X.shape[-2:])
        y, known = (t.expand(*batch, t.shape[-1])[..., None] for t in (y, known))
        model = ConfigurationGP(X, y, known, distances=self.distances, prior=self.prior)
        model.log_hyperparameters = self.log_hyperparameters
        return model

    def train(self, mode: bool = True) -> ConfigurationGP:
        """Switch to training, which forgets what was computed from the hyperparameters."""
        if mode:
            self._conditioned_on = None
        super().train(mode)
        return self

    def set_train_data(self, *args: Any, **kwargs: Any) -> None:
        """Other data (see `gpytorch.models.ExactGP`)."""
        self._conditioned_on = None
        super().set_train_data(*args, **kwargs)

    def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """Other hyperparameters (see `torch.nn.Module`)."""
        self._conditioned_on = None
        return super().load_state_dict(*args, **kwargs)


def _noise(known: Tensor, batch: torch.Size) -> FixedNoiseGaussianLikelihood:
    """The likelihood of observations whose repeats show a known variance, `... x n`."""
    likelihood = FixedNoiseGaussianLikelihood(
        noise=known + JITTER,
        learn_additional_noise=True,
        batch_shape=batch,
        noise_constraint=Positive(transform=torch.exp, inv_transform=torch.log),
    )
    learned = likelihood.second_noise_covar
    learned.double().raw_noise.data.fill_(NOISE_PRIOR[0])
    learned.register_prior(
        "log_noise_prior",
        NormalPrior(*torch.tensor(NOISE_PRIOR, dtype=torch.float64)),
        lambda module: module.raw_noise,
        lambda module, value: module.initialize(raw_noise=value),
    )
    return likelihood


def _joined(old: Tensor, new: Tensor, dim: int) -> Tensor:
    """Both behind one another along a dimension, their batches broadcast."""
    batch = _broadcast(old.shape[:dim], new.shape[:dim])
    return torch.cat([t.expand(*batch, *t.shape[dim:]) for t in (old, new)], dim)


def _broadcast(*shapes: torch.Size) -> torch.Size:
    shape: torch.Size = torch.broadcast_shapes(*shapes)  # type: ignore[no-untyped-call]
    return shape


def safe_cholesky(matrix: Tensor) -> Tensor:
    """Cholesky factor, with as much jitter as that takes.

    Raises:
        ValueError: no jitter helps, as where a value is not finite.
    """
    jitter = 0.0
    for _ in range(6):
        shifted = matrix.clone()
        shifted.diagonal(dim1=-2, dim2=-1).add_(jitter)
        chol, info = torch.linalg.cholesky_ex(shifted)
        if not info.any():
            factor: Tensor = chol
            return factor
        jitter = max(10 * jitter, 1e-6)
    raise ValueError("a covariance is not positive definite; is a measured value not finite?")
