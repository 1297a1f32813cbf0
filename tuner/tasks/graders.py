"""Graders: does a completion agree with a reference answer? Each gives a score in [0, 1]."""

from __future__ import annotations

import re
import string
from collections.abc import Callable
from decimal import Decimal

Grader = Callable[[str, str], float]
"""Score of (completion, reference answer)."""

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_NUMBER = re.compile(
    r"(?:(?<!\w)[-+])?"
    r"(?:(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+)"
    r"(?:[eE][-+]?\d{1,3}(?!\d))?",
    re.ASCII,
)
_STATED_CHOICE = re.compile(r"answer\s*(?:is|:|=)?\s*\(?([A-Za-z])\b", re.IGNORECASE)
_LEADING_CHOICE = re.compile(r"\s*\(?([A-Za-z])(?:[).:,\s]|$)")
_BRACKETED_CHOICE = re.compile(r"\(([A-Za-z])\)")


def exact(completion: str, answer: str) -> float:
    """1 where the completion is the answer, apart from white space around it."""
    return float(completion.strip() == answer.strip())


def final(completion: str, answer: str) -> float:
    """1 where the text after the last `=` (all of it where there is none) is the answer."""
    return exact(completion.rpartition("=")[2], answer)


def normalised(completion: str, answer: str) -> float:
    """1 where both agree without case, punctuation, articles and extra white space.

    The normalisation of SQuAD (Rajpurkar et al. 2016, arXiv 1606.05250).
    """
    return float(_normalise(completion) == _normalise(answer))


def contains(completion: str, answer: str) -> float:
    """1 where the answer occurs in the completion as whole words, in any case."""
    pattern = rf"(?<!\w){re.escape(answer.strip())}(?!\w)"
    return float(re.search(pattern, completion, re.IGNORECASE) is not None)


def choice(completion: str, answer: str) -> float:
    """1 where the completion chooses the letter of the answer.

    The choice is the last `answer is X` or `answer: X`, else a letter that the completion begins
    with, else the last `(X)`.
    """
    stated = _STATED_CHOICE.findall(completion)
    leading = _LEADING_CHOICE.match(completion)
    bracketed = _BRACKETED_CHOICE.findall(completion)
    chosen = stated[-1] if stated else leading[1] if leading else bracketed[-1] if bracketed else ""
    return float(chosen.upper() == answer.strip(" ().:").upper())


def number(completion: str, answer: str) -> float:
    """1 where the last number in the completion equals the answer's, within 1e-6 of it.

    Thousands may be set off by commas.
    """
    found, wanted = _last_number(completion), _last_number(answer)
    if found is None or wanted is None:
        return 0.0
    return float(abs(found - wanted) <= Decimal("1e-6") * abs(wanted))


def regex(completion: str, answer: str) -> float:
    """1 where the answer, a regular expression of Python, matches somewhere in the completion."""
    return float(re.search(answer, completion) is not None)


GRADERS: dict[str, Grader] = {
    "exact": exact,
    "normalised": normalised,
    "choice": choice,
    "number": number,
    "regex": regex,
    "contains": contains,
    "final": final,
}
"""Every grader by the name that a prompts file gives it."""


def _normalise(text: str) -> str:
    plain = "".join(" " if c in string.punctuation else c for c in text.lower())
    return " ".join(_ARTICLES.sub(" ", plain).split())


def _last_number(text: str) -> Decimal | None:
    found = _NUMBER.findall(text)
    return Decimal(found[-1].replace(",", "")) if found else None
