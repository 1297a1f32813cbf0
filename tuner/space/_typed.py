"""Cells of a column as Booleans, numbers or texts."""

from __future__ import annotations

import math
from collections.abc import Iterable

from tuner.features import Value
from tuner.space._columns import BLANK

SPECIAL = frozenset({"auto", "default", "none", "null", "max", "min", "unlimited", "off"})
"""Words that may stand beside numbers without making texts of them."""

ENOUGH = 3
"""Different numbers beside which any single word is a special value."""


def typed(cells: Iterable[str], decimal: str = ".") -> list[Value]:
    """Cells of a column as Booleans, integers, floats or, where that fails, text.

    A column of numbers may have special values: words such as `auto`, or any one word where there
    are at least `ENOUGH` different numbers; these stay texts.
    """
    texts = list(cells)
    filled = [text for text in texts if text]
    if filled and all(text.lower() in ("true", "false") for text in filled):
        return [text if not text else text.lower() == "true" for text in texts]
    numbers = {text: _value(text, decimal) for text in dict.fromkeys(filled)}
    words = {text.lower() for text, number in numbers.items() if number is None}
    different = {number for number in numbers.values() if number is not None}
    if not different or (words - SPECIAL and (len(words) > 1 or len(different) < ENOUGH)):
        return list(texts)
    if not all(isinstance(number, int) for number in different):
        numbers = {t: None if n is None else float(n) for t, n in numbers.items()}
    return [BLANK if not text else _or(numbers[text], text) for text in texts]


def finite(text: str, decimal: str = ".") -> float | None:
    """The finite number that a text stands for; None where it is none."""
    try:
        number = float(text if decimal == "." else text.replace(decimal, ".", 1))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _value(text: str, decimal: str) -> int | float | None:
    number = finite(text, decimal)
    if number is None:
        return None
    try:
        return int(text)
    except ValueError:
        return number


def _or(number: float | None, text: str) -> Value:
    return text if number is None else number
