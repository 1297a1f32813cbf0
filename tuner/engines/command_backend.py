"""A command of the user's own, as something that can be tuned."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuner.engines.backend import EnginePolicy, ExportedFile

if TYPE_CHECKING:
    from tuner.engines.command import CommandEngine
    from tuner.measure import InForce
    from tuner.space import Arguments, SearchSpace

_POLICY = EnginePolicy(measures_itself=True)


@dataclass(frozen=True)
class CommandBackend:
    """A command that takes arguments and prints metrics as JSON.

    Attributes:
        template: the command line, with `{argument}` for the value of an argument.
    """

    template: str
    space: str = ""
    policy: EnginePolicy = _POLICY

    def models(self) -> tuple[str, ...]:
        """None: the space may have any features."""
        return ()

    def open(self, space: SearchSpace) -> CommandEngine:
        """The command, checked against the arguments of the space."""
        from tuner.engines.command import CommandEngine

        return CommandEngine(self.template, space=space)

    def installation(self) -> None:
        """Nothing is known of a user's own program."""

    def export(self, arguments: Arguments, in_force: InForce) -> list[ExportedFile]:
        """`command.sh`: the command with the values of the configuration."""
        from tuner.engines.command import filled_command

        del in_force
        line = shlex.join(filled_command(self.template, arguments))
        return [ExportedFile("command.sh", f"#!/bin/sh\nexec {line}\n", executable=True)]
