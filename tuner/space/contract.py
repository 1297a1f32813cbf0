"""What a search space promises to everything that searches it.

Notation used in `space`, `surrogates` and `search`:

===========  ======================================================================
p            number of parameters of the space, `len(space.parameters)`
codes        int32 array `n x p`: for each configuration and parameter the index of
             its value in `parameter.values`, or `INACTIVE` where it has none
===========  ======================================================================

Every row of codes that a space returns is valid and canonical: what the feature model forbids
never leaves this room, and two rows that mean the same are equal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from tuner.metrics import Kind
from tuner.space.configuration import Configuration, Value

if TYPE_CHECKING:
    import optuna

Codes = npt.NDArray[np.int32]
INACTIVE = -1
ENUMERABLE = 10_000
"""Spaces of at most this many configurations list them all in `Space.rows`."""


@dataclass(frozen=True)
class ExpectedEffect:
    """What somebody who knows the engine expects a parameter to do (`tuner.space.expectations`).

    Attributes:
        kind: the kind of metric that it is about.
        effects: of each value of the parameter: the logarithm of the factor by which it changes
            the metric, for accuracy the difference that it makes. Being inactive has none, 0.
    """

    kind: Kind
    effects: tuple[float, ...]


@dataclass(frozen=True)
class Parameter:
    """One decision of a space, with a finite ordered domain.

    Attributes:
        name: the name in the feature model, unique in the space.
        kind: `ordered` where distance between values means something (numbers, booleans),
            `categorical` where only equality does.
        values: the domain; for `ordered` parameters in ascending order.
        positions: for `ordered` parameters the place of each value in [0, 1], after the declared
            scale (linear or logarithmic); empty for `categorical` ones.
        default: the engine's own value where the parameter is active.
        parent: name of the parameter and the values of it under which this one is active (the
            parent has to be active too); None where it always is.
        affects: kinds of metrics that can depend on it, out of `energy`, `latency` and
            `accuracy`; None where nothing is said, which means all.
        restart: whether a change of it loads the model or starts the engine anew.
        argument: what the engine calls it.
        unit: unit of the values, where they have one.
        expected: what is expected of its values before anything is measured.

    """

    name: str
    kind: Literal["ordered", "categorical"]
    values: tuple[Value, ...]
    positions: tuple[float, ...] = ()
    default: Value = False
    parent: tuple[str, frozenset[Value]] | None = None
    affects: frozenset[str] | None = None
    restart: bool = False
    argument: str = ""
    unit: str | None = None
    expected: tuple[ExpectedEffect, ...] = ()


@dataclass(frozen=True)
class Arguments:
    """A configuration as arguments of the engine.

    Attributes:
        load: what is given when the model is loaded or the server started (`model`, `dtype`, ...).
        request: what is given with each call (`temperature`, `num_beams`, ...).
        harness: what drives the engine rather than belongs to it (`batch_size`, `concurrency`).
        hardware: what the GPU is set to while the engine runs (`gpu_clock_mhz`, `power_limit_w`);
            what is not set is left as it is.
    """

    load: Mapping[str, Value]
    request: Mapping[str, Value]
    harness: Mapping[str, Value]
    hardware: Mapping[str, Value] = field(default_factory=dict)


@runtime_checkable
class Space(Protocol):
    """A finite, constrained, mixed and conditional search space.

    Implementations: `SearchSpace` (from a feature model) and `TableSpace` (the rows of a table).
    """

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The decisions, parents before children."""

    @property
    def default(self) -> Configuration:
        """The engine's default configuration."""

    @property
    def knows_default(self) -> bool:
        """Whether `default` is what the engine does unasked, and so near to what is sensible."""

    def __len__(self) -> int:
        """Exact number of different (canonical) configurations; `size` where it exceeds 2^63."""

    @property
    def size(self) -> int:
        """Exact number of different (canonical) configurations, of any magnitude."""

    def rows(self) -> Codes | None:
        """All configurations where there are at most `ENUMERABLE`, else None. Shape `size x p`."""

    def sample(self, n: int, rng: np.random.Generator, *, uniform: bool = False) -> Codes:
        """`n` configurations drawn with replacement, shape `n x p`.

        Weighted so that no branch of the model drowns, or uniform over configurations.
        """

    def mutate(self, codes: Codes, rng: np.random.Generator, *, changes: int = 1) -> Codes:
        """For each row one valid configuration that differs from it in about `changes` decisions.

        A row for which none was found comes back unchanged. Shape as given.
        """

    def neighbours(self, code: Codes) -> Codes:
        """Every valid configuration one decision away from the row `code` (shape `p`).

        One step up or down for ordered parameters, every other value for categorical ones; a
        change that activates parameters sets them to their defaults, or else to what the
        constraints allow. Shape `k x p`.
        """

    def is_valid(self, codes: Codes) -> npt.NDArray[np.bool_]:
        """Whether each row is a valid, canonical configuration. Shape `n`."""

    def repair(self, codes: Codes) -> Codes:
        """The valid row nearest to each row, in changed decisions. Shape as given."""

    def encode(self, configurations: Sequence[Configuration]) -> Codes:
        """Codes of configurations of this space; ValueError where one is none of it."""

    def decode(self, codes: Codes) -> list[Configuration]:
        """The configurations that rows of codes stand for."""

    def configuration(self, values: Mapping[str, Any]) -> Configuration:
        """Canonical configuration from values for parameters; missing ones take their default.

        Raises `UserError` naming the rule where no valid configuration has these values.
        """

    def arguments(self, configuration: Configuration) -> Arguments:
        """The engine's arguments for a configuration."""

    def distributions(self) -> dict[str, optuna.distributions.BaseDistribution]:
        """One Optuna distribution a parameter, over its whole domain."""

    def suggest(self, trial: optuna.trial.BaseTrial) -> Configuration:
        """Ask an Optuna trial for every active parameter, parents first, and repair the answer."""
