"""Command lines of users: split into words as a shell would, and run by none."""

from __future__ import annotations

import shlex

from tuner.errors import UserError


def split_command(command: str) -> list[str]:
    """The words of a command line; nothing is expanded. UserError where quotes do not match."""
    try:
        return shlex.split(command)
    except ValueError as error:
        raise UserError(f"the command {command!r} cannot be split into words: {error}") from None
