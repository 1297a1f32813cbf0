"""Prompts of a wanted length in tokens."""

from __future__ import annotations

import math
import random
import string
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from tuner.errors import UserError

_COMMON = (
    "the and for that with this from have not are was but all one can out use new time more other "
    "some than then them these only may first also after people over any two way work even place "
    "case week company system question number government night point home water room mother area "
    "money story fact month lot right study book eye job word business side kind head house "
    "service friend father power hour game line end member law car city name president team minute "
    "idea body information back parent face level office door health person art war history party "
    "result change morning reason research girl moment air teacher force"
)

WORDS = tuple(_COMMON.split())
"""Common English words, each one token in the vocabularies of most models."""

Count = Callable[[str], int]
"""How many tokens a prompt is to the engine, what the engine puts around it included."""


def estimated_count(text: str) -> int:
    """A rough count for want of a tokenizer: four characters a token, as in English prose."""
    return max(1, round(len(text) / 4))


class Fill(Protocol):
    """Writes a prompt of so many tokens; the same arguments give the same text."""

    def __call__(self, n_tokens: int, seed: str) -> str:
        """Text of `n_tokens` tokens, different for different seeds as far as its length allows."""


def exact_fill(count: Count) -> Fill:
    """Write prompts whose length a tokenizer agrees with.

    The text is a row of random words that is not too long, and then letters and short words until
    the tokenizer counts `n_tokens`. That is exact where a single letter makes a token of its own
    somewhere, as for a tokenizer of characters, of byte pairs or of word pieces. Where no text is
    found the length is the nearest one below. Nothing is shorter than one letter.
    """
    one = count(WORDS[0])
    rate = max(0.5, (count(" ".join(WORDS)) - one) / (len(WORDS) - 1))

    def fill(n_tokens: int, seed: str) -> str:
        rng = random.Random(seed)
        return _finished(_row_within(n_tokens, count, rate, rng), n_tokens, count, rng)

    return fill


@dataclass(frozen=True)
class Calibration:
    """How a server whose tokenizer is not known counts rows of `WORDS`.

    Attributes:
        tokens_per_word: what each word adds.
        overhead: what it puts around every prompt (first token, chat template).

    """

    tokens_per_word: float = 1.0
    overhead: float = 1.0


def estimated_fill(calibration: Calibration) -> Fill:
    """Write prompts whose length is estimated: words enough, as `calibrate` found them counted.

    A word takes one token or few, so that the length is off by less than the spread of the words'
    tokens times the root of their number; for the vocabularies of large models by 1 or 2.
    """

    def fill(n_tokens: int, seed: str) -> str:
        n = (n_tokens - calibration.overhead) / calibration.tokens_per_word
        return " ".join(random.Random(seed).choices(WORDS, k=max(1, round(n))))

    return fill


def calibrate(usage: Count, words: int = 4 * len(WORDS)) -> Calibration:
    """Ask a server how many tokens it counts in two prompts of known numbers of words.

    Args:
        usage: sends a prompt and returns the `usage.prompt_tokens` of the answer.
        words: of the longer prompt, at least 4; the other has a quarter of them.

    Raises:
        UserError: the server's counts make no sense.
    """
    few, many = words // 4, words
    row = WORDS * (many // len(WORDS) + 1)
    short, long = (usage(" ".join(row[:n])) for n in (few, many))
    slope = (long - short) / (many - few)
    overhead = short - slope * few
    if slope < 0.5 or overhead < -few:
        raise UserError(
            f"the server counts {short} tokens in {few} words and {long} in {many}; its usage "
            "count cannot be used, so give it prompts of your own (a .jsonl file)"
        )
    return Calibration(slope, max(0.0, overhead))


def _row_within(n_tokens: int, count: Count, rate: float, rng: random.Random) -> str:
    """A row of random words that has at most `n_tokens` tokens, and nearly as many."""
    words: list[str] = []
    fits, too_many = 0, 2 * n_tokens + 2  # numbers of words
    n = max(1, int(n_tokens / rate))
    while fits < n < too_many:
        words += rng.choices(WORDS, k=max(0, n - len(words)))
        left = n_tokens - count(" ".join(words[:n]))
        if left < 0:
            too_many = n
            n = max(fits + 1, n - math.ceil(-left / rate))
        else:
            fits = n
            n = min(too_many - 1, n + int(left / rate))
    return " ".join(words[:fits])


def _finished(text: str, n_tokens: int, count: Count, rng: random.Random) -> str:
    """A text with short pieces added until its length is right."""
    pieces: list[str] = [
        *string.ascii_lowercase,
        *(f" {letter}" for letter in string.ascii_lowercase),
    ]
    rng.shuffle(pieces)
    text = text or pieces[0].strip()
    length = count(text)
    while length < n_tokens:
        added: dict[int, str] = {}
        for piece in pieces:
            longer = count(text + piece)
            added.setdefault(longer, piece)
            if longer == n_tokens:
                return text + piece
        best = max((n for n in added if n < n_tokens), default=0)
        if best <= length:
            return text
        text, length = text + added[best], best
    return text
