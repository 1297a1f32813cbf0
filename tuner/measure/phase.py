"""What is being done while a configuration is measured, as values that a display can tell apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Loading:
    """The engine brings a configuration into force."""


@dataclass(frozen=True)
class IdlePower:
    """The power of the idle machine is metered."""


@dataclass(frozen=True)
class WarmUp:
    """Requests are answered until speed has settled."""


@dataclass(frozen=True)
class Repeat:
    """A pass over the requests: the `number`th, from 1, of at most `most`."""

    number: int
    most: int


@dataclass(frozen=True)
class VerificationBlock:
    """Configurations take turns beside the default; all count from 1.

    Attributes:
        number: of the block.
        configuration: whose turn it is.
        of: how many take part in the block.
    """

    number: int
    configuration: int
    of: int


@dataclass(frozen=True)
class Grading:
    """Graded prompts are asked for their answers alone."""

    n_prompts: int


@dataclass(frozen=True)
class DriftReference:
    """The default is measured once more, to see whether the machine drifts."""


@dataclass(frozen=True)
class CommandRun:
    """A command of the user's own runs for one configuration."""


Phase = (
    Loading
    | IdlePower
    | WarmUp
    | Repeat
    | VerificationBlock
    | Grading
    | DriftReference
    | CommandRun
)
OnPhase = Callable[[Phase], None]
"""Is told what begins now."""
