"""From the text of a UVL file to tokens; blocks are told apart by their indentation.

A token is `(kind, text, offset)`. Kinds: `name`, `quoted` (a name in quotation marks, without
them), `text` (in apostrophes, without them), `number`, `newline`, `indent`, `dedent`, `end`, and
every operator, bracket and punctuation mark as a kind of its own. Within brackets lines don't
count, as in the official grammar.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

from tuner.features._deadline import check_deadline
from tuner.features._errors import UvlError

Token = tuple[str, str, int]

LARGEST_FILE = 20_000_000
"""Characters, or bytes of a file, that are read at most."""

_TOKEN = re.compile(
    r"""(?P<blank>[ \t]+)
    |(?P<newline>\r?\n|\r)
    |(?P<name>[A-Za-z][\w\#§%?\\';äüöß]*)
    |(?P<quoted>"[^\r\n"]*")
    |(?P<text>'[^\r\n']*')
    |(?P<number>\d+(?:\.\d+)?[eE][+-]?\d+|\d*\.\d+|\d+)
    |(?P<comment>//[^\r\n]*|/\*.*?\*/)
    |(?P<mark><=>|=>|==|<=|>=|!=|\.\.|/(?!\*)|[!&|<>+\-*(){}\[\],.])
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_UNREADABLE = {
    '"': "a quotation mark is opened here and not closed in its line",
    "'": "an apostrophe is opened here and not closed in its line",
    "=": "'=' is no operator: write '==' to compare, '=>' for 'implies'",
    "_": "a name starts with a letter: put this one in quotation marks",
    "%": "UVL has no '%'",
}


@dataclass
class Source:
    """A text and the name that errors give it."""

    text: str
    name: str
    _starts: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self._starts = [0] + [m.end() for m in re.finditer(r"\r?\n|\r", self.text)]

    def place(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset, both from 1."""
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1

    def error(self, offset: int, reason: str) -> UvlError:
        """The error that names this place."""
        line, column = self.place(offset)
        return UvlError(reason, source=self.name, line=line, column=column)


@dataclass
class Tokens:
    """The tokens of a source, and its line comments by their line."""

    source: Source
    tokens: list[Token] = field(default_factory=list)
    comments: dict[int, str] = field(default_factory=dict)

    def comment_above(self, line: int) -> str:
        """The lines of comment that end right above a line, joined."""
        found: list[str] = []
        while (line := line - 1) in self.comments:
            found.append(self.comments[line])
        return "\n".join(reversed(found))


def tokenize(source: Source) -> Tokens:
    """Split a source into tokens, or raise `UvlError`."""
    if len(source.text) > LARGEST_FILE:
        raise source.error(0, f"the file has more than {LARGEST_FILE} characters")
    result = Tokens(source)
    out, levels = result.tokens, [""]
    opened: list[tuple[str, int]] = []  # brackets
    line_start, fresh = 0, True  # fresh: nothing but blanks so far in this line
    for kind, token, start in _pieces(source):
        if kind == "comment":
            if fresh:
                result.comments[source.place(start)[0]] = token.strip("/* \t")
        elif kind == "newline" and not opened:
            if not fresh:
                out.append(("newline", "the end of the line", start))
            check_deadline("read")
            line_start, fresh = start + len(token), True
        elif kind != "newline":
            if fresh:
                _indent(source, levels, source.text[line_start:start], start, out)
                fresh = False
            if kind == "mark":
                _match(source, opened, token, start)
                out.append((token, token, start))
            else:
                out.append((kind, token[1:-1] if kind in ("quoted", "text") else token, start))
    end = len(source.text)
    if opened:
        mark, start = opened[-1]
        raise source.error(start, f"'{mark}' is opened here and never closed")
    if not fresh:
        out.append(("newline", "the end of the file", end))
    out.extend(("dedent", "the end of the block", end) for _ in levels[1:])
    out.append(("end", "the end of the file", end))
    return result


def _pieces(source: Source) -> Iterator[Token]:
    """What the text is made of, without the blanks."""
    text, offset, length = source.text, 0, len(source.text)
    while offset < length:
        found = _TOKEN.match(text, offset)
        if found is None:
            raise source.error(offset, _unreadable(text, offset))
        if found.lastgroup != "blank":
            yield str(found.lastgroup), found.group(), offset
        offset = found.end()


def _match(source: Source, opened: list[tuple[str, int]], mark: str, start: int) -> None:
    """Keep account of the brackets that are open."""
    if mark in _CLOSING:
        opened.append((mark, start))
    elif mark in _CLOSING.values() and (not opened or _CLOSING[opened.pop()[0]] != mark):
        raise source.error(start, f"'{mark}' closes nothing that was opened")


def _indent(source: Source, levels: list[str], blanks: str, start: int, out: list[Token]) -> None:
    """Open or close blocks so that the level of this line is the innermost one."""
    blanks = blanks if blanks.strip(" \t") == "" else re.sub(r"[^ \t]", " ", blanks)
    if blanks == levels[-1]:
        return
    if blanks.startswith(levels[-1]):
        levels.append(blanks)
        out.append(("indent", "a deeper line", start))
        return
    seen = blanks + "".join(levels)
    while len(levels) > 1 and blanks != levels[-1]:
        levels.pop()
        out.append(("dedent", "the end of the block", start))
    if blanks != levels[-1]:
        mixed = "\t" in seen and " " in seen
        why = "tabs and blanks are mixed" if mixed else "no line above starts a block there"
        raise source.error(start, f"the indentation fits no open block: {why}")


def _unreadable(text: str, offset: int) -> str:
    if text.startswith("/*", offset):
        return "a comment is opened here and never closed"
    mark = text[offset]
    if mark in _UNREADABLE:
        return _UNREADABLE[mark]
    shown = mark if mark.isprintable() else f"the character U+{ord(mark):04X}"
    return f"{shown} has no meaning here: a name with other characters goes in quotation marks"
