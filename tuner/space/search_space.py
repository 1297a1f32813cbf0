"""The search space that a feature model describes."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tuner.errors import UserError
from tuner.features import FeatureModel, index_of, value_text
from tuner.space import _moves, _optuna
from tuner.space._arguments import ArgumentMap
from tuner.space._code_algebra import CodeAlgebra
from tuner.space._constraint_tables import contradiction, decided, simplified
from tuner.space._parameters import parameter
from tuner.space.configuration import Configuration, Value
from tuner.space.contract import ENUMERABLE, INACTIVE, Arguments, Codes, Parameter
from tuner.space.expectations import expectations
from tuner.space.pins import pinned_model, unknown

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
        *,
        pins: Mapping[str, Value] | None = None,
        domains: Mapping[str, Sequence[Value]] | None = None,
    ) -> None:
        self.model, self.pins = model, dict(pins or {})
        self.pinned = pinned_model(model, pins, domains)
        layout, rules, inert = simplified(self.pinned)
        self._algebra = CodeAlgebra(layout, rules, inert)
        known = expectations(model)
        self._parameters = tuple(
            parameter(layout, i, self.pinned, known) for i in range(len(layout.decisions))
        )
        self._index = {p.name: i for i, p in enumerate(self._parameters)}
        self._argument_map = ArgumentMap.of(self.pinned, layout)

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
        return cls(model, pins=pins, domains=domains)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The decisions, parents before children."""
        return self._parameters

    @cached_property
    def default(self) -> Configuration:
        """The engine's default configuration, or the valid one nearest to it."""
        return self.decode(self._algebra.default[None])[0]

    @property
    def knows_default(self) -> bool:
        """Yes: a feature model says what the engine does unasked."""
        return True

    @property
    def size(self) -> int:
        """Exact number of different (canonical) configurations, of any magnitude."""
        return self._algebra.network.size

    def __len__(self) -> int:
        return min(self.size, sys.maxsize)

    def rows(self) -> Codes | None:
        """All configurations where there are at most `ENUMERABLE`, else None."""
        if self.size > ENUMERABLE:
            return None
        return self._algebra.rows()

    def sample(self, n: int, rng: np.random.Generator, *, uniform: bool = False) -> Codes:
        """`n` configurations drawn with replacement, shape `n x p`; none is ever rejected.

        Uniform over configurations, or weighted: parameters that others depend on come first, and
        each takes every value that can still be completed with the same probability.
        """
        return self._algebra.sample(n, rng, uniform=uniform)

    def is_valid(self, codes: Codes) -> npt.NDArray[np.bool_]:
        """Whether each row is a valid, canonical configuration."""
        return self._algebra.is_valid(codes)

    def mutate(self, codes: Codes, rng: np.random.Generator, *, changes: int = 1) -> Codes:
        """For each row a valid configuration that differs in about `changes` decisions."""
        return _moves.mutate(self._algebra, self._parameters, codes, rng, changes)

    def neighbours(self, code: Codes) -> Codes:
        """Every valid configuration one decision away from the row `code`, shape `k x p`."""
        return _moves.neighbours(self._algebra, self._parameters, code)

    def repair(self, codes: Codes) -> Codes:
        """The valid row nearest to each row, in changed decisions.

        Among equally near ones, the one with the shortest steps and the most defaults.
        """
        return self._algebra.repair(codes)

    def canonical(self, codes: Codes) -> Codes:
        """Rows as what they amount to: nothing inactive, nothing missing, nothing inert.

        What breaks a constraint still breaks it.
        """
        return self._algebra.canonical(codes)

    def completed(self, codes: Codes) -> Codes:
        """Rows with inactive parameters cleared and missing ones at their defaults."""
        return self._algebra.completed(codes)

    @property
    def sampling_order(self) -> tuple[str, ...]:
        """Names of the parameters in the order in which weighted sampling decides them."""
        return tuple(self._parameters[i].name for i in self._algebra.network.sampling_order)

    def encode(self, configurations: Sequence[Configuration]) -> Codes:
        """Codes of configurations of this space; ValueError where one is none of it."""
        rows = np.full((len(configurations), len(self._parameters)), INACTIVE, dtype=np.int32)
        for row, configuration in zip(rows, configurations, strict=True):
            for name, value in configuration.items():
                index = self._index.get(name)
                code = None if index is None else index_of(self._parameters[index].values, value)
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
        algebra = self._algebra
        full = algebra.completed(row[None])
        if not (full[0, forced] == row[forced]).all() or not self.is_valid(self.canonical(full))[0]:
            # Without the rules of canonical form: what is inert may be written.
            start = np.where(forced, row, algebra.default)[None].astype(np.int32)
            full, costs = algebra.without_canonical_form.nearest(start, forced[None])
            if not np.isfinite(costs[0]):
                raise UserError(f"nothing valid has these values: {self._refusal(values)}")
        return self.decode(self.repair(full))[0]

    def _refusal(self, values: Mapping[str, Value]) -> str:
        """Why no valid configuration has these values."""
        held = tuple(
            decided(self.pinned, self._algebra.layout.decisions[index], value)
            for name, value in values.items()
            if (index := self._index.get(name)) is not None
        )
        return contradiction(replace(self.pinned, constraints=self.pinned.constraints + held))

    def _wish(self, values: Mapping[str, Any]) -> tuple[Codes, npt.NDArray[np.bool_]]:
        """The codes of the given values, and where something was given."""
        row = np.full(len(self._parameters), INACTIVE, dtype=np.int32)
        for name, value in values.items():
            if name not in self._index:
                fixed = self._argument_map.constants.get(name)
                if fixed is not None and index_of(fixed, value) is not None:
                    continue
                raise UserError(unknown(name, [*self._index]))
            index = self._index[name]
            code = index_of(self._parameters[index].values, value)
            if code is None:
                listed = ", ".join(map(value_text, self._parameters[index].values))
                raise UserError(
                    f"'{name}' can't be {value_text(value)} here: it takes one of {listed}"
                )
            row[index] = code
        return row, row != INACTIVE

    def selection(self, configuration: Configuration) -> dict[str, Value]:
        """The selected features: Boolean ones to True, typed ones to their values."""
        return self._argument_map.selection(self.encode([configuration])[0])

    def selections(self, codes: Codes) -> list[dict[str, Value]]:
        """The selected features of rows of codes, valid or not."""
        return [self._argument_map.selection(code) for code in codes]

    def arguments(self, configuration: Configuration) -> Arguments:
        """The engine's arguments for a configuration."""
        return self._argument_map.arguments(self.encode([configuration])[0])

    def distributions(self) -> dict[str, optuna.distributions.BaseDistribution]:
        """One Optuna distribution a parameter, over its whole domain."""
        return {p.name: _optuna.distribution(p) for p in self._parameters}

    def suggest(self, trial: optuna.trial.BaseTrial) -> Configuration:
        """Ask an Optuna trial for every active parameter, parents first, and repair the answer."""
        return self.decode(self.repair(_optuna.suggested(self._parameters, trial)[None]))[0]
