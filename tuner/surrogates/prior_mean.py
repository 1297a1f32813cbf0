r"""What a model expects before it has seen anything, and how readily it learns better.

Each expectation e says that a value of one parameter changes an output by :math:`\phi_e(x)`
(`tuner.space.Knowledge`). The output is

.. math:: f(x) = \sum_e \beta_e \phi_e(x) + g(x), \quad
          \beta_e = 1 + \sigma_s z + \sigma_o z_e, \quad z, z_e \sim N(0, 1)

with g the Gaussian process of the kernel. All coefficients are integrated out: they add
:math:`\sum_e \phi_e(x)` to the mean and to the covariance
:math:`\phi(x)^T (\sigma_o^2 I + \sigma_s^2 1 1^T) \phi(x')` (Rasmussen and Williams 2006, section
2.7). The shared part lets a few measurements tell that all that was expected is too strong, or
wrong; their own parts that one of it is.

Notation: E expectations, V values of all parameters together (see `distances`), n rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from tuner.space import Knowledge
from tuner.surrogates.distances import DistanceTables

OWN_SD = 0.5
"""Standard deviation of what each expectation has to be multiplied with, around what all have."""
SHARED_SD = 1.0
"""Standard deviation around 1 of what all of them have to be multiplied with."""


@dataclass(frozen=True)
class PriorMean:
    """Expected effects of the values of some parameters on one output.

    Attributes:
        effects: what each value changes by each expectation, `V x E`, in units of the output.
        offsets: where the values of each parameter begin among the V, length d.
    """

    effects: Tensor
    offsets: Tensor

    @classmethod
    def of(cls, distances: DistanceTables, knowledge: Knowledge) -> PriorMean | None:
        """What is known of the parameters of a model; None where that is nothing."""
        columns = []
        for j, effects in zip(knowledge.columns, knowledge.effects, strict=True):
            if j in distances.columns:
                column = torch.zeros(len(distances.owner), dtype=torch.float64)
                column[distances.owner == distances.columns.index(j)] = torch.as_tensor(effects)
                columns.append(column)
        return cls(torch.stack(columns, 1), distances.offsets) if columns else None

    def times(self, factor: float) -> PriorMean:
        """The same in another unit of the output."""
        return replace(self, effects=factor * self.effects)

    def of_rows(self, rows: Tensor) -> Tensor:
        """Effects of rows by their value indices, `... x n x d` to `... x n x E`."""
        bags = (rows + self.offsets).flatten(0, -2)
        return embedding_bag(bags, self.effects, mode="sum").reshape(*rows.shape[:-1], -1)

    def mean(self, rows: Tensor) -> Tensor:
        """Expected change of the output, `... x n x d` to `... x n`."""
        return self.of_rows(rows).sum(-1)

    def covariance_of_values(self, others: Tensor) -> Tensor:
        """What values share with rows for not being known for sure: `... x n x d` to `... x V x n`.

        The sum over the values of a row is the covariance of that row with the others.
        """
        return self.effects @ _weighed(self.of_rows(others)).mT

    def covariance(self, rows: Tensor, others: Tensor) -> Tensor:
        """Covariance of the k-th row with the k-th other, both `... x n x d`, to `... x n`."""
        return (self.of_rows(rows) * _weighed(self.of_rows(others))).sum(-1)


def _weighed(effects: Tensor) -> Tensor:
    """Effects `... x E` times the covariance of the coefficients."""
    return OWN_SD**2 * effects + SHARED_SD**2 * effects.sum(-1, keepdim=True)
