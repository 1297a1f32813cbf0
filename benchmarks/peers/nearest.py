"""How a table answers an optimiser that knows only the product of its parameters' domains.

To such a peer the table is a function on the whole product: at a point that is no row it has the
values of the nearest row (fewest different cells, then nearest positions). The first answer whose
row was not measured yet is measured. At others the peer is told what is known at no charge and
asked again, up to `forgiven` times; then the nearest row that was not measured is, and it is told
of that one too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from tuner.space import Table
from tuner.space.contract import INACTIVE, Parameter
from tuner.surrogates.objective import Objective, to_scale


class Peer(Protocol):
    """An optimiser that is asked and told; codes as in `tuner.space.contract`."""

    def ask(self) -> Sequence[int]:
        """Code of each parameter's value at the point that it wants measured, row or not."""

    def tell(self, values: list[float]) -> None:
        """The values at its last answer, smaller is better."""

    def add(self, codes: Sequence[int], values: list[float]) -> None:
        """The values at a point that it did not ask for."""


class Nearest:
    """A replay strategy that measures the rows nearest to a peer's answers."""

    def __init__(
        self, peer: Peer, table: Table, objectives: Sequence[Objective], forgiven: int
    ) -> None:
        self.peer, self.space, self.forgiven = peer, table.space, forgiven
        # the scale is judged by the whole table: a favour, since this tuner judges by measured rows
        self.values = scaled(table.values, objectives)

    def __call__(self, rows: Sequence[int]) -> int:
        """The row to measure next."""
        for _ in range(self.forgiven + 1):
            codes = active(self.space.parameters, self.peer.ask())
            row = int(self.space.index(self.space.repair(codes[None]))[0])
            self.peer.tell(self.values[row].tolist())
            if row not in rows:
                return row
        left = np.setdiff1d(np.arange(len(self.space)), np.array(rows))
        row = self.space.nearest_row(codes, left)
        self.peer.add(self.space.rows_[row].tolist(), self.values[row].tolist())
        return row


def active(parameters: Sequence[Parameter], codes: Sequence[int]) -> npt.NDArray[np.int32]:
    """The codes without those of parameters that the value of their parent switches off."""
    kept = np.array(codes, dtype=np.int32)
    place = {p.name: j for j, p in enumerate(parameters)}
    for j, parameter in enumerate(parameters):
        if parameter.parent is not None:
            name, values = parameter.parent
            above = kept[place[name]]
            if above == INACTIVE or parameters[place[name]].values[above] not in values:
                kept[j] = INACTIVE
    return kept


def scaled(
    values: npt.NDArray[np.float64], objectives: Sequence[Objective]
) -> npt.NDArray[np.float64]:
    """Values `n x m` as peers are told them: each on the scale that they suggest."""
    columns = [
        to_scale(values[:, j], o, o.scale_for(values[:, j])) for j, o in enumerate(objectives)
    ]
    return np.stack(columns, 1)
