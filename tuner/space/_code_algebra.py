"""What can be done with rows of codes: validity, canonical form, the nearest valid row."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from tuner.features import ActiveWhen, DecisionLayout
from tuner.space._constraint_tables import ConstraintTable, Inert, network_of
from tuner.space._distances import nearest_rows, wish_costs
from tuner.space.contract import INACTIVE, Codes


class CodeAlgebra:
    """The valid rows of codes under some rules, `n x p` (see `contract`).

    Attributes:
        layout: the decisions, one a column.
        network: their rules joined; its rows have one more code where a decision is inactive.
        sizes: number of values of each decision.
        defaults: codes of the defaults.
    """

    def __init__(
        self, layout: DecisionLayout, rules: Sequence[ConstraintTable], inert: Sequence[Inert]
    ) -> None:
        self.layout, self._rules, self._inert = layout, tuple(rules), tuple(inert)
        self.network = network_of(layout, rules)
        self.sizes = np.array([len(d.values) for d in layout.decisions], dtype=np.int32)
        self.defaults = np.array([d.default for d in layout.decisions], dtype=np.int32)

    @cached_property
    def without_canonical_form(self) -> CodeAlgebra:
        """The same under the rules of validity alone: what is inert may be written."""
        return CodeAlgebra(self.layout, [r for r in self._rules if not r.canonical], ())

    @cached_property
    def default(self) -> Codes:
        """The valid row nearest to the defaults, shape `p`."""
        row: Codes = self.repair(self.defaults[None])[0]
        return row

    def rows(self) -> Codes:
        """Every valid row."""
        return self._codes(self.network.all())

    def sample(self, n: int, rng: np.random.Generator, *, uniform: bool) -> Codes:
        """`n` valid rows with replacement (see `Space.sample`)."""
        return self._codes(self.network.sample(n, rng, uniform=uniform))

    def is_valid(self, codes: Codes) -> npt.NDArray[np.bool_]:
        """Whether each row is valid and canonical."""
        low = [-int(isinstance(d.active, ActiveWhen)) for d in self.layout.decisions]
        inside = ((codes >= low) & (codes < self.sizes)).all(axis=1)
        result = np.zeros(len(codes), dtype=bool)
        result[inside] = self.network.valid(codes[inside])
        return result

    def completed(self, codes: Codes) -> Codes:
        """Rows with inactive parameters cleared and missing ones at their defaults."""
        missing = (codes < 0) | (codes >= self.sizes)
        rows = np.where(missing, self.defaults, codes).astype(np.int32)
        for i, parent, off in self._conditional:
            rows[off[rows[:, parent]], i] = INACTIVE
        return rows

    def canonical(self, codes: Codes) -> Codes:
        """Rows as what they amount to: nothing inactive, nothing missing, nothing inert.

        What breaks a constraint still breaks it.
        """
        rows = self.completed(codes)
        for _ in range(len(self._inert) + 1):
            before = rows.copy()
            for inert in self._inert:
                hit = inert.cells[tuple(rows[:, i] for i in inert.scope)]
                for i, code in inert.targets:
                    rows[hit & (rows[:, i] != INACTIVE), i] = code
            rows = self.completed(rows)
            if (rows == before).all():
                break
        return rows

    def repair(self, codes: Codes) -> Codes:
        """The valid row nearest to each row (see `nearest`)."""
        rows = self.canonical(codes)
        broken = ~self.is_valid(rows)
        if broken.any():
            rows[broken] = self.nearest(codes[broken])[0]
        return rows

    def nearest(
        self, codes: Codes, forced: npt.NDArray[np.bool_] | None = None
    ) -> tuple[Codes, npt.NDArray[np.float64]]:
        """The valid rows nearest to rows, and how many decisions they change (and a fraction).

        Among equally near ones, the one with the shortest steps and the most defaults. `forced`
        (shape as `codes`) marks what must stay; the distance is infinite where nothing valid has
        it.
        """
        found, costs = nearest_rows(self.network, self._costs, codes, forced)
        return self._codes(found), costs

    @cached_property
    def _conditional(self) -> list[tuple[int, int, npt.NDArray[np.bool_]]]:
        """Each conditional decision, its parent, and a look-up of the codes of that which end it.

        INACTIVE looks up the last one.
        """
        length = 1 + int(self.sizes.max(initial=0))
        return [
            (i, d.active.decision, ~np.isin(np.arange(length), list(d.active.codes)))
            for i, d in enumerate(self.layout.decisions)
            if isinstance(d.active, ActiveWhen)
        ]

    @cached_property
    def _costs(self) -> list[npt.NDArray[np.float64]]:
        return [wish_costs(decision) for decision in self.layout.decisions]

    def _codes(self, rows: npt.NDArray[np.int32]) -> Codes:
        """The network's rows, where the last state of a conditional decision is inactivity."""
        ends = np.array(
            [
                len(d.values) if isinstance(d.active, ActiveWhen) else -2
                for d in self.layout.decisions
            ],
            dtype=np.int32,
        )
        rows[rows == ends] = INACTIVE
        return rows
