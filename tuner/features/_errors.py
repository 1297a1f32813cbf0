"""What is wrong in a feature model, and where."""

from __future__ import annotations

import re

from tuner.errors import UserError

_ENDLESS = re.compile(r"(\S{100})\S{60,}")


class UvlError(UserError):
    """A feature model that can't be read: says the file, line and column, and what was expected.

    Attributes:
        source: the file's name, or `<text>`.
        line: line in the file, from 1.
        column: column in the line, from 1.
        reason: the sentence without the place.
    """

    def __init__(self, reason: str, *, source: str, line: int, column: int) -> None:
        reason = _ENDLESS.sub(r"\1..", reason)
        super().__init__(f"{source}, line {line}, column {column}: {reason}")
        self.source, self.line, self.column, self.reason = source, line, column, reason


class ModelError(UserError):
    """A question that a feature model can't answer, and why."""

    def __init__(self, reason: str) -> None:
        super().__init__(_ENDLESS.sub(r"\1..", reason))
