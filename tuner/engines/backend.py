"""What a study has to know of an engine: one `Backend` for each engine that can be tuned.

A backend answers for its engine: which feature model describes it, how it is opened, what a change
of configuration costs, what is installed, and how a recommendation is written for it. Everything
else in the package asks the backend and knows no engine by name. `tuner.engines.registry` chooses
the backend of a study; docs/extending.md shows how to add one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from tuner.engines.command import CommandEngine
    from tuner.measure import Engine, InForce
    from tuner.space import Arguments, SearchSpace


@dataclass(frozen=True)
class EnginePolicy:
    """What a study has to know of an engine before it plans measurements.

    Attributes:
        restarts: whether a change of an argument with role `load` starts the engine anew, so that
            what a configuration costs depends on the one before it.
        greedy_by_default: whether decoding is greedy where a configuration says neither
            `do_sample` nor `temperature`. False where the checkpoint's own settings decide.
        measures_itself: whether the engine takes the measurements (a command that prints metrics);
            then nothing is asked by the tuner and any metric may be an objective.
    """

    restarts: bool = False
    greedy_by_default: bool = False
    measures_itself: bool = False


@dataclass(frozen=True)
class Installation:
    """What is installed of an engine here.

    Attributes:
        available: whether it is installed.
        version: the installed release; None where it is not installed or does not tell.
        detail: one line for `tune doctor`.
        remedy: what would install it; empty where it is installed.
    """

    available: bool
    version: str | None
    detail: str
    remedy: str = ""


@dataclass(frozen=True)
class ExportedFile:
    """One file of an exported recommendation.

    Attributes:
        name: of the file, without a folder.
        text: its content.
        executable: whether it is a program.
    """

    name: str
    text: str
    executable: bool = False


class Backend(Protocol):
    """One engine that can be tuned, as a study names it."""

    @property
    def space(self) -> str:
        """Name of the shipped feature model; empty where the user has to bring one."""

    @property
    def policy(self) -> EnginePolicy:
        """What measurements have to take into account."""

    def models(self) -> tuple[str, ...]:
        """The models to choose between, checked to be loadable, the default first.

        Empty where the engine has its own. Raises `UserError` for one that is not there.
        """

    def open(self, space: SearchSpace) -> Engine | CommandEngine:
        """The engine, ready for configurations of a space; the caller closes it.

        Raises `UserError` where the program or server is not there at all.
        """

    def installation(self) -> Installation | None:
        """What is installed here; None where that says nothing of what a study will run."""

    def export(self, arguments: Arguments, in_force: InForce) -> Sequence[ExportedFile]:
        """Files that bring a measured configuration into force without the tuner."""
