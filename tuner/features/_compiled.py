"""The compiled form of a feature model: exact counts, shares, drawing and listing.

Compiled once; then a count, the share of every feature or a draw is one pass over the circuit,
also under the condition that some features are given (`Compiled.condition`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

import numpy as np
import numpy.typing as npt

from tuner.features._ddnnf import Branch, Circuit, compile_circuit
from tuner.features._deadline import check_deadline, deadline
from tuner.features._decisions import layout_of
from tuner.features._encoding import Encoding
from tuner.features._errors import ModelError
from tuner.features._inert import defaults_asked, inert_rules
from tuner.features._model import Constraint, FeatureModel
from tuner.features._rows import ColumnLayout, Rows, chosen, find, position
from tuner.features._sequential import drawing_order, sample_by_decisions
from tuner.features._solver import canonical_rules
from tuner.features._values import Value
from tuner.features._walk import CircuitReader, unrank

Indices = npt.NDArray[np.int64] | npt.NDArray[np.object_]


@dataclass(frozen=True)
class Compiled:
    """A feature model in the form that counts. Make one with `compile_model`.

    Attributes:
        encoding: the clauses and what they mean.
        circuit: their d-DNNF.
        sizes: for each literal (negative ones from the end) the number of values it stands for.
        members: for each literal of a typed feature its feature and the indices of its values.
    """

    encoding: Encoding
    circuit: Circuit
    sizes: list[int]
    members: Mapping[int, tuple[str, tuple[int, ...]]]

    @property
    def model(self) -> FeatureModel:
        """The model."""
        return self.encoding.model

    @cached_property
    def layout(self) -> ColumnLayout:
        """What the columns of rows stand for."""
        return ColumnLayout(self.model)

    @cached_property
    def _counts(self) -> tuple[list[list[int]], list[int], int]:
        """Solutions of each branch, of each node, and of the whole."""
        branches: list[list[int]] = []
        nodes: list[int] = []
        sizes = self.sizes
        plain = all(size == 1 for size in sizes[1:])

        def total(branch: Branch) -> int:
            literals, free, children = branch
            if plain:
                product = 1 << len(free)
            else:
                product = 1
                for literal in literals:
                    product *= sizes[literal]
                for variable in free:
                    product *= sizes[variable] + sizes[-variable]
            for child in children:
                product *= nodes[child]
            return product

        for node in self.circuit.nodes:
            check_deadline("count")
            branches.append([total(branch) for branch in node])
            nodes.append(sum(branches[-1]))
        whole = total(self.circuit.root) if self.circuit.satisfiable else 0
        return branches, nodes, whole

    @property
    def count(self) -> int:
        """The exact number of configurations."""
        return self._counts[2]

    def condition(self, fixed: Mapping[str, Value | None]) -> Compiled:
        """The same model where some features are given.

        Args:
            fixed: True or a value for a feature that is selected, False or None for one that is
                not. True for a typed feature leaves its value open.

        """
        sizes, members = list(self.sizes), dict(self.members)
        for name, value in fixed.items():
            feature, variable = find(self.model, name), self.encoding.selected[name]
            if not chosen(value):
                sizes[variable] = 0
                continue
            sizes[-variable] = 0
            if feature.typed and value is not True:
                index = position(feature, value)
                for literal in self.encoding.literals[name]:
                    kept = tuple(i for i in members[literal][1] if i == index)
                    members[literal] = (name, kept)
                    sizes[literal] = len(kept)
        return replace(self, sizes=sizes, members=members)

    # --- shares -----------------------------------------------------------------------------

    @cached_property
    def _literal_counts(self) -> list[int]:
        """For each literal the configurations in which it holds."""
        branches, nodes, whole = self._counts
        held = [0] * len(self.sizes)
        above = [0] * len(nodes)

        def pass_on(branch: Branch, count: int, factor: int) -> None:
            literals, free, children = branch
            times = count * factor
            for literal in literals:
                held[literal] += times
            for variable in free:
                check_deadline("count")
                both = self.sizes[variable] + self.sizes[-variable]
                held[variable] += times // both * self.sizes[variable]
                held[-variable] += times // both * self.sizes[-variable]
            for child in children:
                above[child] += times // nodes[child]

        if whole:
            pass_on(self.circuit.root, whole, 1)
        for i in range(len(nodes) - 1, -1, -1):
            for branch, count in zip(self.circuit.nodes[i], branches[i], strict=True):
                if above[i] and count:
                    pass_on(branch, count, above[i])
        return held

    def counts(self) -> dict[str, int]:
        """For each feature the number of configurations that select it."""
        held = self._literal_counts
        return {name: held[variable] for name, variable in self.encoding.selected.items()}

    def commonality(self) -> dict[str, Fraction]:
        """For each feature the exact share of configurations that select it."""
        if not self.count:
            raise ModelError("the model has no valid configuration")
        shares = {}
        for name, n in self.counts().items():
            check_deadline("count")
            shares[name] = Fraction(n, self.count)
        return shares

    def possible(self, name: str, value: Value) -> bool:
        """Whether a configuration has this value, or, for False, its parent without the feature."""
        held = self._literal_counts
        if value is False:
            parent = self.model.parent_groups[name][0].name
            return held[self.encoding.selected[parent]] > held[self.encoding.selected[name]]
        if value is True:
            return held[self.encoding.selected[name]] > 0
        return self.value_counts(name)[position(self.model.features[name], value)] > 0

    def value_counts(self, name: str) -> tuple[int, ...]:
        """For each value of a typed feature the number of configurations that have it."""
        check_deadline("count")
        feature, held = find(self.model, name), self._literal_counts
        if not feature.typed:
            return (held[self.encoding.selected[name]],)
        counts = [0] * len(feature.domain)
        for literal in self.encoding.literals[name]:
            values = self.members[literal][1]
            for index in values:
                counts[index] = held[literal] // len(values)
        return tuple(counts)

    # --- configurations ---------------------------------------------------------------------

    def unrank(self, indices: Indices) -> Rows:
        """The configurations of these indices, 0 to `count` - 1, in a fixed order; `n x f`."""
        whole = self.count
        if len(indices) and not (min(indices) >= 0 and max(indices) < whole):
            raise IndexError(f"there are {whole} configurations")
        indices = indices.astype(np.int64 if whole < 2**62 else object)
        return unrank(self._reader, self._counts, indices)

    def rows(self, limit: int = 100_000) -> Rows:
        """Every configuration; `ModelError` where there are more than `limit`."""
        if self.count > limit:
            raise ModelError(f"there are {self.count} configurations, more than {limit}")
        return self.unrank(np.arange(self.count))

    def sample(
        self,
        n: int,
        rng: np.random.Generator,
        *,
        weighted: bool = False,
        order: Sequence[str] | None = None,
    ) -> Rows:
        """`n` independent draws. Shape `n x f`.

        Args:
            n: how many.
            rng: where the chance comes from.
            weighted: False draws every configuration with the same probability, exactly. True
                decides one after another, each value that can still be completed equally likely
                (see `_sequential`), so that no branch drowns because another one has more
                parameters.
            order: names of decisions, those that are taken first where `weighted`; None takes
                those first that others depend on. All other decisions follow.

        """
        if not self.count:
            raise ModelError("the model has no valid configuration to draw")
        if not weighted:
            return self.unrank(_below(self.count, n, rng))
        decisions = drawing_order(layout_of(self.model).decisions)
        if order is not None:
            place = {name: i for i, name in enumerate(order)}
            decisions = sorted(decisions, key=lambda d: place.get(d.name, len(place)))
        return sample_by_decisions(self._reader, decisions, n, rng)

    def iterate(self) -> Iterator[dict[str, Value]]:
        """The configurations one after another, as mappings of features to values."""
        for start in range(0, self.count, 256):
            stop = min(start + 256, self.count)
            indices = np.array([*range(start, stop)], dtype=object)
            yield from self.layout.configurations(self.unrank(indices))

    @cached_property
    def _reader(self) -> CircuitReader:
        return CircuitReader(self.encoding, self.circuit, self.sizes, self.members)


def compile_model(
    model: FeatureModel, *, canonical: bool = True, seconds: float | None = None
) -> Compiled:
    """Compile a feature model.

    Args:
        model: the model; its numeric features need finite domains.
        canonical: whether configurations that mean the same count once (see `inert_rules`).
        seconds: give up with a `ModelError` after this time.

    """
    with deadline(seconds):
        compiled = _compile(model, inert_rules(model) if canonical else ())
        if canonical and not all(compiled.possible(*asked) for asked in defaults_asked(model)):
            # A default that no canonical configuration has may be impossible: ask what is left.
            compiled = _compile(model, canonical_rules(model))
    return compiled


def _compile(model: FeatureModel, inert: Sequence[Constraint]) -> Compiled:
    encoding = Encoding(model, inert)
    cnf = encoding.cnf
    groups = [group for group, _ in cnf.at_most_one]
    circuit = compile_circuit(cnf.variables, cnf.clauses, groups)
    sizes = [1] * (2 * cnf.variables + 1)
    members = {}
    for name, classes in encoding.classes.items():
        for literal, values in zip(encoding.literals[name], classes, strict=True):
            sizes[literal] = len(values)
            members[literal] = (name, tuple(values))
    return Compiled(encoding, circuit, sizes, members)


def _below(bound: int, n: int, rng: np.random.Generator) -> Indices:
    """`n` independent whole numbers, each below `bound` equally likely, of any magnitude."""
    if bound <= 2**62:
        return rng.integers(bound, size=n, dtype=np.int64)
    bits = (bound - 1).bit_length()
    size = math.ceil(bits / 8)
    drawn: list[int] = []
    while len(drawn) < n:
        number = int.from_bytes(rng.bytes(size), "big") >> (8 * size - bits)
        if number < bound:
            drawn.append(number)
    return np.array(drawn, dtype=object)
