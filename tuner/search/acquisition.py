r"""Expected hypervolume improvement, exactly: the default acquisition function.

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
from botorch.acquisition import AcquisitionFunction
from botorch.models.model import Model
from botorch.utils.transforms import t_batch_mode_transform
from torch import Tensor

from tuner.search.expected_front import ExpectedFront
from tuner.search.pareto import free_boxes

Floats = npt.NDArray[np.float64]


class ExactEHVI(AcquisitionFunction):  # type: ignore[misc]
    """Expected hypervolume improvement over the front of posterior means, in closed form.

    The front is that of means and not of measurements, so noise in them cannot hold it up; the
    uncertainty of a front point itself is left out. Any number of objectives, also one.

    Args:
        model: a model with independent normal outputs, larger is better.
        front: what is to be improved on.

    """

    def __init__(self, model: Model, front: ExpectedFront) -> None:
        super().__init__(model)
        self.front = front
        self.boxes = free_boxes(front.points, front.reference)

    @t_batch_mode_transform(expected_q=1)  # type: ignore[untyped-decorator]
    def forward(self, X: Tensor) -> Tensor:
        """The improvement in hypervolume expected of each of `N x 1 x p` codes, length N."""
        posterior = self.model.posterior(X)
        return ehvi(-posterior.mean[:, 0], posterior.variance[:, 0].sqrt(), self.boxes)


def ehvi(mean: Tensor, sd: Tensor, boxes: tuple[Floats, Floats]) -> Tensor:
    """Expected hypervolume improvement of N candidates with minimised objectives, length N.

    Args:
        mean: expected objectives, `N x m`.
        sd: their standard deviations, `N x m`.
        boxes: lower and upper corners of the free boxes, both `K x m` (`free_boxes`).

    """
    lower, upper = boxes
    volume = torch.ones(len(mean), len(lower), dtype=torch.float64)
    for j in range(mean.shape[1]):
        corners, index = np.unique(np.concatenate([lower[:, j], upper[:, j]]), return_inverse=True)
        expected = _expected_excess(torch.from_numpy(corners), mean[:, j], sd[:, j])
        at = torch.from_numpy(index.reshape(-1))
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
