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
class InterleavedRound:
    """A part of a round in which several configurations take turns; all count from 1."""

    number: int
    rounds: int
    configuration: int


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


@dataclass(frozen=True)
class CommandRounds:
    """A command of the user's own runs for several configurations in so many rounds."""

    rounds: int


Phase = (
    Loading
    | IdlePower
    | WarmUp
    | Repeat
    | InterleavedRound
    | Grading
    | DriftReference
    | CommandRun
    | CommandRounds
)
OnPhase = Callable[[Phase], None]
"""Is told what begins now."""
