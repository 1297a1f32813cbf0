"""A place in the tokens of a file, and the small steps that every part of the grammar takes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

from tuner.features._errors import UvlError
from tuner.features._lexer import Token, Tokens

DEEPEST = 100
"""Levels of features, or of brackets or operators in a constraint, that are read."""

LARGEST_INTEGER = 2**53
"""Beyond this, whole numbers can no longer be told apart as doubles."""


class Cursor:
    """The tokens of one source and how far they are read.

    Attributes:
        notes: what was accepted although the official grammar has it otherwise.
    """

    def __init__(self, tokens: Tokens) -> None:
        self.source = tokens.source
        self.comment_above = tokens.comment_above
        self.tokens = tokens.tokens
        self.at = 0
        self.depth = 0
        self.notes: list[str] = []

    @property
    def token(self) -> Token:
        """The next token."""
        return self.tokens[self.at]

    @property
    def following(self) -> str:
        """The kind of the token after the next."""
        return self.tokens[min(self.at + 1, len(self.tokens) - 1)][0]

    def error(self, expected: str) -> UvlError:
        """The error that says what was expected here, and what is here."""
        kind, text, offset = self.token
        bare = ("newline", "indent", "dedent", "end")
        shown = text if kind in bare else f"'{text[:40]}'"
        return self.source.error(offset, f"expected {expected}, found {shown}")

    def note(self, offset: int, text: str) -> None:
        """Remember something that is worth a warning."""
        line, column = self.source.place(offset)
        self.notes.append(f"line {line}, column {column}: {text}")

    def accept(self, kind: str) -> bool:
        """Step over the next token where it is of this kind."""
        if self.tokens[self.at][0] != kind:
            return False
        self.at += 1
        return True

    def expect(self, kind: str, expected: str) -> Token:
        """Step over the next token, which has to be of this kind."""
        token = self.tokens[self.at]
        if token[0] != kind:
            raise self.error(expected)
        self.at += 1
        return token

    def keyword(self, word: str) -> bool:
        """Step over the next token where it is this word."""
        kind, text, _ = self.tokens[self.at]
        if kind != "name" or text != word:
            return False
        self.at += 1
        return True

    @contextmanager
    def deeper(self, what: str) -> Iterator[None]:
        """One level of nesting more, within bounds."""
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.source.error(self.token[2], f"{what} nested deeper than {DEEPEST} levels")
        yield
        self.depth -= 1

    def reference(self, expected: str) -> tuple[str, ...]:
        """A name with its dots: `a."b c".d`."""
        parts = [self.name(expected)]
        while self.accept("."):
            parts.append(self.name("a name after the dot"))
        return tuple(parts)

    def name(self, expected: str) -> str:
        """One name, in quotation marks or not."""
        kind, text, offset = self.token
        if kind not in ("name", "quoted"):
            raise self.error(expected)
        if kind == "quoted" and (not text.strip() or "." in text or not text.isprintable()):
            raise self.source.error(
                offset, "a name in quotation marks needs printable characters, and no dot"
            )
        self.at += 1
        return text

    def number(self) -> int | float:
        """A number with or without a minus sign."""
        sign = -1 if self.accept("-") else 1
        _, text, offset = self.expect("number", "a number")
        if text.isdigit():
            if len(text) > 16 or int(text) > LARGEST_INTEGER:
                raise self.source.error(offset, f"a whole number beyond {LARGEST_INTEGER}")
            return sign * int(text)
        value = float(text) if len(text) < 400 else math.inf
        if math.isinf(value):
            raise self.source.error(offset, "the number is too large or too long")
        if "e" in text.lower():
            self.note(offset, "the official grammar has no exponents: write the number out")
        return sign * value

    def count(self) -> int:
        """A whole number from 0, below a billion."""
        _, text, offset = self.expect("number", "a whole number")
        if not text.isdigit() or len(text) > 9:
            raise self.source.error(offset, "expected a whole number below a billion")
        return int(text)
