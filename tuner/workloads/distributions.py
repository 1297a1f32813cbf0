"""Lengths and arrivals drawn from distributions that a short text names."""

from __future__ import annotations

import math
import random
import re

from tuner.errors import UserError
from tuner.workloads.trace import LONGEST, Trace

EXAMPLES = {
    "fixed": "fixed:input=128,output=32",
    "uniform": "uniform:input=64/256,output=16/64",
    "lognormal": "lognormal:input=1020/4142,output=129/601,rate=2",
}
"""A text of each kind. Two numbers are the ends of `uniform`, median and 99 % of `lognormal`."""

_Z99 = 2.3263478740408408
_NUMBER = re.compile(r"[0-9]+(\.[0-9]*)?")


def is_distribution(text: str) -> bool:
    """Whether a text is meant to name a distribution (it begins like one)."""
    return text.partition(":")[0] in EXAMPLES


def draw_trace(text: str, n: int, seed: int = 0) -> Trace:
    """`n` requests whose lengths come from a distribution; input and output are independent.

    With `rate=` they arrive as a Poisson process of so many a second, else in a closed loop.

    Args:
        text: like one of `EXAMPLES`.
        n: how many requests.
        seed: of lengths and arrivals.

    Raises:
        UserError: the text is not understood, and how to write it.
    """
    kind, _, rest = text.partition(":")
    if kind not in EXAMPLES:
        raise UserError(
            f"{text!r} names no distribution; there are {', '.join(EXAMPLES)}, "
            f"as in {EXAMPLES['lognormal']}"
        )
    given = _settings(rest, kind)
    rng = random.Random(f"lengths/{seed}")
    columns = [
        [_draw(kind, numbers, rng) for _ in range(n)]
        for numbers in (_numbers(given, which, kind) for which in ("input", "output"))
    ]
    trace = Trace(text, *map(tuple, columns))
    if "rate" not in given:
        return trace
    if not _NUMBER.fullmatch(given["rate"]):
        raise UserError(f"rate={given['rate']} is no number of requests a second, like rate=2")
    return trace.arriving(float(given["rate"]), seed)


def _settings(text: str, kind: str) -> dict[str, str]:
    given: dict[str, str] = {}
    for part in text.split(","):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or key not in ("input", "output", "rate") or key in given:
            raise UserError(
                f"{part!r} is not understood in a {kind} distribution, which is written like "
                f"{EXAMPLES[kind]}"
            )
        given[key] = value
    return given


def _numbers(given: dict[str, str], which: str, kind: str) -> list[float]:
    """The numbers of a setting, as many as the distribution has, rising, from 1."""
    texts = given.get(which, "").split("/")
    numbers = [float(text) for text in texts if _NUMBER.fullmatch(text)]
    wanted = 1 if kind == "fixed" else 2
    complete = len(numbers) == len(texts) == wanted
    if not complete or not 1 <= numbers[0] <= numbers[-1] <= LONGEST:
        meaning = {
            "fixed": "one number of tokens",
            "uniform": "the least and the greatest number of tokens",
            "lognormal": "median and 99th percentile in tokens",
        }[kind]
        raise UserError(f"{which} must be {meaning}, from 1, as in {EXAMPLES[kind]}")
    return numbers


def _draw(kind: str, numbers: list[float], rng: random.Random) -> int:
    if kind == "fixed":
        return round(numbers[0])
    low, high = numbers
    if kind == "uniform":
        return rng.randint(round(low), round(high))
    spread = math.log(high / low) / _Z99
    return max(1, round(rng.lognormvariate(math.log(low), spread)))
