r"""Expected hypervolume improvement, exactly, and gains of whole sets by sampling.

With independent normal objectives :math:`y \sim N(\mu, \sigma^2)`, all minimised, a point
conquers of the free box :math:`(l, u)` the volume :math:`\prod_j (u_j - \max(l_j, y_j))^+`, so

.. math:: EHVI = \sum_{boxes} \prod_j [f_j(u_j) - f_j(l_j)], \quad
          f_j(a) = E (a - y_j)^+ = (a - \mu_j) \Phi(z) + \sigma_j \phi(z), z = (a - \mu_j)/\sigma_j

(Yang et al. 2019, "Efficient computation of expected hypervolume improvement using box
decomposition algorithms"). No sampling noise, and one box corner is shared by many boxes.

Notation: N candidates, m objectives, K boxes.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tuner.search.pareto import hypervolume

Floats = npt.NDArray[np.float64]


def ehvi(mean: Tensor, sd: Tensor, boxes: tuple[Floats, Floats]) -> Tensor:
    """Expected hypervolume improvement of each of N candidates, length N."""
    lower, upper = boxes
    volume = torch.ones(len(mean), len(lower), dtype=torch.float64)
    for j in range(mean.shape[1]):
        corners, place = np.unique(np.concatenate([lower[:, j], upper[:, j]]), return_inverse=True)
        expected = _expected_excess(torch.from_numpy(corners), mean[:, j], sd[:, j])
        at = torch.from_numpy(place.reshape(-1))
        volume *= expected[:, at[len(lower) :]] - expected[:, at[: len(lower)]]
    return volume.sum(1)


def _expected_excess(corners: Tensor, mean: Tensor, sd: Tensor) -> Tensor:
    """E (a - y)^+ of N candidates at C corners, `N x C`; 0 at minus infinity."""
    finite = corners.clamp_min(-1e12)
    gap = finite[None, :] - mean[:, None]
    z = gap / sd[:, None]
    density = torch.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
    excess = gap * torch.special.ndtr(z) + sd[:, None] * density
    positive: Tensor = excess.clamp_min(0.0) * torch.isfinite(corners)
    return positive


def gains(samples: Floats, front: Floats, reference: Floats) -> Floats:
    """Hypervolume that each of S sampled sets of candidates (`S x N x m`) adds to the front."""
    base = hypervolume(front, reference)
    return np.array([hypervolume(np.concatenate([front, s]), reference) - base for s in samples])
