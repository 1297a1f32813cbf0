"""Distances between configurations, one per parameter, as lookup tables.

Domains are finite, so whatever a kernel needs of one parameter is a small matrix over pairs of
its values. A parameter that is inactive has a value of its own: two inactive ones are at distance
0, so two configurations in which a conditional parameter is inactive are never separated by it.
Categories are at distance 1 of one another and of being inactive. Numbers lie on a line of length
1, and being inactive beside its middle, at distance 1 from its ends: at distance 1 from all of it
there is no such point, and the kernel would be none (not positive semidefinite).

Notation: d of the p parameters matter; V values in all of them together, inactive ones included;
"..." stands for any batch dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from tuner.space.contract import Codes, Parameter


@dataclass(frozen=True)
class DistanceTables:
    """Squared distances per parameter between any two of its values.

    Attributes:
        columns: which columns of the codes matter, length d.
        tables: for each of them a matrix over its values; row and column 0 stand for inactive.
        offsets: where each table starts when all are stacked, length d.

    """

    columns: tuple[int, ...]
    tables: tuple[Tensor, ...]
    offsets: Tensor

    @classmethod
    def of(cls, parameters: Sequence[Parameter], columns: Sequence[int]) -> DistanceTables:
        """Tables for some columns of the codes of a space."""
        tables = tuple(_table(parameters[j]) for j in columns)
        sizes = [0, *(len(t) for t in tables)][: len(tables)]
        return cls(tuple(columns), tables, torch.tensor(np.cumsum(sizes), dtype=torch.long))

    @cached_property
    def owner(self) -> Tensor:
        """To which of the d parameters each of the V values belongs, length V."""
        sizes = torch.tensor([len(t) for t in self.tables])
        return torch.repeat_interleave(torch.arange(len(sizes)), sizes)

    def value_indices(self, codes: Codes | Tensor) -> Tensor:
        """Row of each code in the table of its parameter: `... x n x p` to `... x n x d`."""
        return torch.as_tensor(codes)[..., list(self.columns)].long() + 1

    def to_values(self, indices: Tensor) -> Tensor:
        """Squared distances of all values to those of rows: `... x n x d` to `... x V x n`."""
        columns = [t[:, indices[..., k]] for k, t in enumerate(self.tables)]
        return torch.cat(columns).movedim(0, -2)


def _table(parameter: Parameter) -> Tensor:
    n = len(parameter.values)
    table = torch.ones(n + 1, n + 1, dtype=torch.float64)
    if parameter.kind == "ordered":
        x = torch.tensor(parameter.positions, dtype=torch.float64)
        table[1:, 1:] = (x[:, None] - x[None, :]) ** 2
        table[0, 1:] = table[1:, 0] = 0.75 + (x - 0.5) ** 2
    table.fill_diagonal_(0.0)
    return table
