r"""Observations of which only a bound is known: measurements that were ended early.

An observation :math:`y_i \le b_i` multiplies the density of :math:`y_i` by a step. Expectation
propagation (Minka 2001) puts a normal factor in its place that leaves the same mean and variance.
With :math:`v` the variance that all other observations leave to :math:`y_i`, and :math:`v_t` what
is left of it once it is cut off at the bound, that is a made-up observation of variance
:math:`v v_t / (v - v_t)`: it says nothing where the bound was expected anyway. Hutter, Hoos and
Leyton-Brown 2011 ("Bayesian optimization with censored response data") impute the cut-off mean as
if it had been measured.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from tuner.surrogates.fitting import fit_map
from tuner.surrogates.gp import JITTER, ConfigurationGP, safe_cholesky

SWEEPS = 3
"""Rounds in which all made-up observations are put right."""
ROUNDS = 1
"""Fits of the hyperparameters to measured and made-up observations."""
LEAST_SHARE = 1e-4
"""Part of its variance that a bound takes away at least, so that no made-up variance is endless."""


def fit_with_bounds(model: ConfigurationGP, X: Tensor, bounds: Tensor) -> ConfigurationGP:
    """A model fitted to measured observations and to bounds on others.

    Args:
        model: fitted to what was measured, n rows.
        X: codes of the rows of which a bound is known, `b x p`.
        bounds: what their observations are no greater than, in the units of the model, length b.

    """
    n = len(model.train_targets)
    inputs = torch.cat([model.train_inputs[0], X])
    y = torch.cat([model.train_targets, bounds])
    known = torch.cat([model.known_variance, torch.full_like(bounds, 1.0 / LEAST_SHARE)])
    for fit in range(ROUNDS + 1):
        hyperparameters = model.log_hyperparameters
        for _ in range(SWEEPS):
            model = ConfigurationGP(
                inputs, y[:, None], known[:, None], distances=model.distances, prior=model.prior
            )
            model.log_hyperparameters = hyperparameters
            site_mean, site_variance = _sites(model, bounds)
            y = torch.cat([y[:n], site_mean])
            known = torch.cat([known[:n], site_variance])
        model = ConfigurationGP(
            inputs, y[:, None], known[:, None], distances=model.distances, prior=model.prior
        )
        model.log_hyperparameters = hyperparameters
        if fit < ROUNDS:
            model = fit_map(model)
    return model


@torch.no_grad()
def _sites(model: ConfigurationGP, bounds: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of the made-up observations of the last b rows, each of length b."""
    rows = model.distances.value_indices(model.train_inputs[0])
    K = model.covar_module.spread(rows, model.covar_module.by_value(rows))
    K.diagonal().add_(model.noise + JITTER + model.known_variance)
    inverse = torch.cholesky_inverse(safe_cholesky(K))
    last = slice(len(rows) - len(bounds), None)
    left_out = 1.0 / inverse.diagonal()[last]
    mean = model.train_targets[last] - left_out * (inverse @ model.residuals)[last]
    variance = (left_out - model.known_variance[last]).clamp_min(1e-10)
    z = (bounds - mean) / variance.sqrt()
    log_density = -0.5 * z * z - 0.5 * math.log(2 * math.pi)
    hazard = (log_density - torch.special.log_ndtr(z)).exp()
    share = (hazard * (z + hazard)).clamp(LEAST_SHARE, 1.0 - 1e-6)
    return mean - variance.sqrt() * hazard / share, variance * (1.0 - share) / share
