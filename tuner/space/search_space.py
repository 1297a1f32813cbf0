"""The search space that a feature model describes."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tuner.errors import UserError
from tuner.features import FeatureModel
from tuner.space import _moves, _optuna
from tuner.space._arguments import Telling
from tuner.space._elimination import Factor, Network
from tuner.space._layout import Layout, Where, layout_of, place
from tuner.space._parameters import parameter
from tuner.space._rules import Inert, Rule, conflict, network_of, settled, show
from tuner.space.configuration import Configuration, Value
from tuner.space.contract import ENUMERABLE, INACTIVE, Arguments, Codes, Parameter
from tuner.space.pins import pins_of, shown, unknown

if TYPE_CHECKING:
    import optuna


class SearchSpace:
    """A finite, constrained, mixed and conditional search space; implements `Space`.

    Validity, canonical form, counting, drawing and repair are exact and vectorised: the
    constraints of the model become tables over the parameters once, and these are joined by
    bucket elimination. Make one with `from_model` or `load_space`.

    Attributes:
        model: the feature model.
        pins: the features that were pinned.
    """

    def __init__(
        self,
        model: FeatureModel,
        pins: Mapping[str, Value],
        layout: Layout,
        rules: Sequence[Rule],
        inert: Sequence[Inert],
    ) -> None:
        self.model, self.pins = model, dict(pins)
        self._layout, self._rules, self._inert = layout, tuple(rules), tuple(inert)
        self._decisions = layout.decisions
        self._network = network_of(layout, rules)
        self._parameters = tuple(parameter(layout, i, model) for i in range(len(self._decisions)))
        self._index = {p.name: i for i, p in enumerate(self._parameters)}
        self._telling = Telling.of(model, layout)

    @classmethod
    def from_model(
        cls,
        model: FeatureModel,
        *,
        pins: Mapping[str, Value] | None = None,
        domains: Mapping[str, Sequence[Value]] | None = None,
    ) -> SearchSpace:
        """The space of a feature model.

        Args:
            model: the feature model.
            pins: what is fixed: a feature that has to be selected (True), must not be (False), or
                has to have this value (for an alternative group: the name of the child).
            domains: values of typed features in the place of those that the model lists; the
                first one becomes the default.

        Raises:
            UserError: where a pin names nothing, or no valid configuration is left; it names a
                smallest set of constraints and pins that contradict one another.
        """
        domains = dict(domains or {})
        held = pins_of(model, pins or {}, domains)
        layout, rules, inert = settled(model, layout_of(model, domains), held)
        return cls(model, held.given, layout, rules, inert)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The decisions, parents before children."""
        return self._parameters

    @cached_property
    def default(self) -> Configuration:
        """The engine's default configuration, or the valid one nearest to it."""
        return self.decode(self._default[None])[0]

    @cached_property
    def _default(self) -> Codes:
        default: Codes = self.repair(self._defaults[None])[0]
        return default

    @property
    def size(self) -> int:
        """Exact number of different (canonical) configurations, of any magnitude."""
        return self._network.size

    def __len__(self) -> int:
        return min(self.size, sys.maxsize)

    def rows(self) -> Codes | None:
        """All configurations where there are at most `ENUMERABLE`, else None."""
        if self.size > ENUMERABLE:
            return None
        return self._outside(self._network.all())

    def sample(self, n: int, rng: np.random.Generator, *, uniform: bool = False) -> Codes:
        """`n` configurations drawn with replacement, shape `n x p`; none is ever rejected.

        Uniform over configurations, or weighted: parameters that others depend on come first, and
        each takes every value that can still be completed with the same probability.
        """
        return self._outside(self._network.draw(n, rng, uniform=uniform))

    def is_valid(self, codes: Codes) -> npt.NDArray[np.bool_]:
        """Whether each row is a valid, canonical configuration."""
        low = [-int(isinstance(d.active, Where)) for d in self._decisions]
        high = [len(d.values) for d in self._decisions]
        inside = ((codes >= low) & (codes < high)).all(axis=1)
        result = np.zeros(len(codes), dtype=bool)
        result[inside] = self._network.valid(codes[inside])
        return result

    def mutate(self, codes: Codes, rng: np.random.Generator, *, changes: int = 1) -> Codes:
        """For each row a valid configuration that differs in about `changes` decisions."""
        return _moves.mutate(self, codes, rng, changes)

    def neighbours(self, code: Codes) -> Codes:
        """Every valid configuration one decision away from the row `code`, shape `k x p`."""
        return _moves.neighbours(self, code)

    def repair(self, codes: Codes) -> Codes:
        """The valid row nearest to each row, in changed decisions.

        Among equally near ones, the one with the shortest steps and the most defaults.
        """
        rows = self.canonical(codes)
        broken = ~self.is_valid(rows)
        if broken.any():
            rows[broken] = self.nearest(codes[broken])[0]
        return rows

    def nearest(
        self, codes: Codes, forced: npt.NDArray[np.bool_] | None = None
    ) -> tuple[Codes, npt.NDArray[np.float64]]:
        """The valid rows nearest to rows, and how many decisions they change (and a fraction).

        `forced` (shape as `codes`) marks what must stay; the distance is infinite where nothing
        valid has it.
        """
        found, costs = _moves.nearest(self._network, self._costs, codes, forced)
        return self._outside(found), costs

    @property
    def width(self) -> int:
        """Entries of the largest table that repairing one row goes through."""
        return self._network.largest

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

    def completed(self, codes: Codes) -> Codes:
        """Rows with inactive parameters cleared and missing ones at their defaults."""
        missing = (codes < 0) | (codes >= self._sizes)
        rows = np.where(missing, self._defaults, codes).astype(np.int32)
        for i, parent, off in self._conditional:
            rows[off[rows[:, parent]], i] = INACTIVE
        return rows

    @cached_property
    def _sizes(self) -> Codes:
        return np.array([len(d.values) for d in self._decisions], dtype=np.int32)

    @cached_property
    def _defaults(self) -> Codes:
        return np.array([d.default for d in self._decisions], dtype=np.int32)

    @cached_property
    def _conditional(self) -> list[tuple[int, int, npt.NDArray[np.bool_]]]:
        """Each conditional decision, its parent, and a look-up of the codes of that which end it.

        INACTIVE looks up the last one.
        """
        length = 1 + max((len(d.values) for d in self._decisions), default=0)
        return [
            (i, d.active.decision, ~np.isin(np.arange(length), list(d.active.codes)))
            for i, d in enumerate(self._decisions)
            if isinstance(d.active, Where)
        ]

    @cached_property
    def _costs(self) -> list[npt.NDArray[np.float64]]:
        return [_moves.costs_of(decision) for decision in self._decisions]

    def encode(self, configurations: Sequence[Configuration]) -> Codes:
        """Codes of configurations of this space; ValueError where one is none of it."""
        rows = np.full((len(configurations), len(self._parameters)), INACTIVE, dtype=np.int32)
        for row, configuration in zip(rows, configurations, strict=True):
            for name, value in configuration.items():
                index = self._index.get(name)
                code = None if index is None else place(self._parameters[index].values, value)
                if index is None or code is None:
                    raise ValueError(f"{name}={value!r} is not in this space")
                row[index] = code
        wrong = np.flatnonzero(~self.is_valid(rows))
        if len(wrong):
            raise ValueError(f"not a valid configuration of this space: {configurations[wrong[0]]}")
        return rows

    def decode(self, codes: Codes) -> list[Configuration]:
        """The configurations that rows of codes stand for."""
        return [
            Configuration(
                tuple(
                    (p.name, p.values[code])
                    for p, code in zip(self._parameters, row, strict=True)
                    if code != INACTIVE
                )
            )
            for row in codes.tolist()
        ]

    def configuration(self, values: Mapping[str, Any]) -> Configuration:
        """Canonical configuration from values for parameters; missing ones take their default.

        What the given values need is chosen for them: `{"num_beams": 4}` selects beam search.

        Raises:
            UserError: where a name or a value is unknown, or no valid configuration has them all.
        """
        row, forced = self._wish(values)
        full = self.completed(row[None])
        if not (full[0, forced] == row[forced]).all() or not self.is_valid(self.canonical(full))[0]:
            # Without the rules of canonical form: what is inert may be written.
            start = np.where(forced, row, self._default)[None].astype(np.int32)
            found, costs = _moves.nearest(self._raw, self._costs, start, forced[None])
            if not np.isfinite(costs[0]):
                raise self._refusal(values)
            full = self._outside(found)
        return self.decode(self.repair(full))[0]

    @cached_property
    def _raw(self) -> Network:
        """The rules of validity alone."""
        return network_of(self._layout, [rule for rule in self._rules if not rule.canonical])

    def _refusal(self, values: Mapping[str, Any]) -> UserError:
        """Why no valid configuration has these values."""
        rules = [rule for rule in self._rules if not rule.canonical]
        for name, value in values.items():
            if (index := self._index.get(name)) is not None:
                held = np.zeros(self._decisions[index].length, dtype=bool)
                held[place(self._parameters[index].values, value)] = True
                rules.append(Rule(Factor((index,), held), f"{name}={show(value)}"))
        listed = "".join(f"\n  - {text}" for text in conflict(self._layout, rules))
        return UserError(f"nothing valid has these values: together these can't hold:{listed}")

    def _wish(self, values: Mapping[str, Any]) -> tuple[Codes, npt.NDArray[np.bool_]]:
        """The codes of the given values, and where something was given."""
        row = np.full(len(self._parameters), INACTIVE, dtype=np.int32)
        for name, value in values.items():
            if name not in self._index:
                fixed = self._telling.constants.get(name)
                if fixed is not None and place(fixed, value) is not None:
                    continue
                raise UserError(unknown(name, [*self._index]))
            index = self._index[name]
            code = place(self._parameters[index].values, value)
            if code is None:
                listed = ", ".join(map(show, self._parameters[index].values))
                raise UserError(f"'{name}' can't be {shown(value)} here: it takes one of {listed}")
            row[index] = code
        return row, row != INACTIVE

    def selection(self, configuration: Configuration) -> dict[str, Value]:
        """The selected features: Boolean ones to True, typed ones to their values."""
        return self._telling.selection(self.encode([configuration])[0])

    def arguments(self, configuration: Configuration) -> Arguments:
        """What the engine is told so that it runs like this."""
        return self._telling.arguments(self.encode([configuration])[0])

    def distributions(self) -> dict[str, optuna.distributions.BaseDistribution]:
        """One Optuna distribution a parameter, over its whole domain."""
        return {p.name: _optuna.distribution(p) for p in self._parameters}

    def suggest(self, trial: optuna.trial.BaseTrial) -> Configuration:
        """Ask an Optuna trial for every active parameter, parents first, and repair the answer."""
        return self.decode(self.repair(_optuna.asked(self._parameters, trial)[None]))[0]

    def _outside(self, rows: npt.NDArray[np.int32]) -> Codes:
        """The network's rows, where the last state of a conditional decision is inactivity."""
        ends = np.array(
            [len(d.values) if isinstance(d.active, Where) else -2 for d in self._decisions],
            dtype=np.int32,
        )
        rows[rows == ends] = INACTIVE
        return rows
