"""Token lengths and arrival times of requests, without their texts."""

from __future__ import annotations

import csv
import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from tuner.errors import UserError
from tuner.workloads.jsonl import lines

COLUMNS = ("arrival_s", "input_tokens", "output_tokens")
"""The header of a trace file."""

AZURE_COLUMNS = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")
"""The header of the traces in the Azure public dataset; its times are dates."""


LONGEST = 10_000_000
"""No prompt and no answer has more tokens than this: a larger number is a mistake."""


@dataclass(frozen=True)
class Trace:
    """The lengths of requests, in the order in which they came.

    Attributes:
        name: what to call it.
        input_tokens: length of each prompt.
        output_tokens: length of each answer.
        arrival_s: when each arrived, in seconds since the first, never decreasing; None where a
            request comes as soon as one before it has been answered.

    """

    name: str
    input_tokens: tuple[int, ...]
    output_tokens: tuple[int, ...]
    arrival_s: tuple[float, ...] | None = None

    def __len__(self) -> int:
        return len(self.input_tokens)

    @property
    def duration_s(self) -> float | None:
        """From the first arrival to the last, in seconds; None in a closed loop."""
        return None if self.arrival_s is None else self.arrival_s[-1] - self.arrival_s[0]

    @property
    def rate(self) -> float | None:
        """Mean arrivals in a second; None where there is no time between first and last."""
        return (len(self) - 1) / self.duration_s if self.duration_s else None

    def select(self, indices: Sequence[int]) -> Trace:
        """Some of the requests; arrivals then count from the earliest of them."""
        arrivals = None
        if self.arrival_s is not None:
            kept = [self.arrival_s[i] for i in indices]
            arrivals = tuple(a - min(kept) for a in kept)
        return replace(
            self,
            input_tokens=tuple(self.input_tokens[i] for i in indices),
            output_tokens=tuple(self.output_tokens[i] for i in indices),
            arrival_s=arrivals,
        )

    def scaled(self, factor: float) -> Trace:
        """All lengths divided by `factor` and rounded, at least 1; arrivals as they are."""
        return replace(
            self,
            input_tokens=tuple(max(1, round(n / factor)) for n in self.input_tokens),
            output_tokens=tuple(max(1, round(n / factor)) for n in self.output_tokens),
        )

    def fitted(self, context: int) -> tuple[Trace, int]:
        """Shorten what is longer than a model's context; also tells how many were shortened.

        The input is shortened first, since the output decides most of the time and energy; an
        output that leaves no room for one token of input is shortened as well.
        """
        if context < 2:
            raise ValueError(f"a context of {context} tokens has no room for input and output")
        outputs = [min(n, context - 1) for n in self.output_tokens]
        inputs = [min(n, context - o) for n, o in zip(self.input_tokens, outputs, strict=True)]
        fitted = replace(self, input_tokens=tuple(inputs), output_tokens=tuple(outputs))
        pairs = zip(self.input_tokens, self.output_tokens, strict=True)
        return fitted, sum(i + o > context for i, o in pairs)

    def arriving(self, rate: float | None, seed: int = 0) -> Trace:
        """The same requests as a Poisson process of `rate` a second; in a closed loop for None."""
        if rate is None:
            return replace(self, arrival_s=None)
        return replace(self, arrival_s=poisson(len(self), rate, seed))


def poisson(n: int, rate: float, seed: int = 0) -> tuple[float, ...]:
    """Arrival times of a Poisson process, in seconds: the first at 0, `rate` a second on average.

    Raises:
        UserError: the rate is not a positive finite number.
    """
    if not (math.isfinite(rate) and rate > 0):
        raise UserError(f"a rate of {rate:g} requests a second is not positive; try 2")
    rng = random.Random(f"arrivals/{seed}")
    times, now = [], 0.0
    for _ in range(n):
        times.append(now)
        now += rng.expovariate(rate)
    return tuple(times)


def read_trace(path: str | Path) -> Trace:
    """Read a token-length trace from a CSV file.

    The header is `arrival_s,input_tokens,output_tokens` with seconds, or that of the Azure public
    dataset, `TIMESTAMP,ContextTokens,GeneratedTokens` with dates. Other columns are skipped. Rows
    are in the order of their arrival, which then counts from the first.

    Raises:
        UserError: naming file and line, and how to mend it.
    """
    path = Path(path)
    rows = _rows(path)
    places, seconds = _header(next(rows, (1, []))[1], path)
    arrivals: list[float] = []
    inputs: list[int] = []
    outputs: list[int] = []
    for line, row in rows:
        where = f"{path}, line {line}"
        if len(row) <= max(places):
            raise UserError(
                f"{where}: {len(row)} fields are too few; each line needs those of the header"
            )
        arrival, *lengths = (row[place].strip() for place in places)
        arrivals.append(seconds(arrival, where))
        if len(arrivals) > 1 and arrivals[-1] < arrivals[-2]:
            raise UserError(
                f"{where}: arrives before the line above; sort the file by its first column"
            )
        inputs.append(_tokens(lengths[0], "input", where))
        outputs.append(_tokens(lengths[1], "output", where))
    if not inputs:
        raise UserError(
            f"{path} has no requests; write one line a request below {','.join(COLUMNS)}"
        )
    return Trace(path.stem, tuple(inputs), tuple(outputs), tuple(a - arrivals[0] for a in arrivals))


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Lines that are not empty, with their numbers."""
    reader = csv.reader(lines(path, "trace"), strict=True)
    try:
        for row in reader:
            if any(field.strip() for field in row):
                yield reader.line_num, row
    except csv.Error as error:
        raise UserError(f"{path}, line {reader.line_num}: {error}; save it as plain CSV") from None


def _header(row: Sequence[str], path: Path) -> tuple[list[int], Callable[[str, str], float]]:
    """The places of the three columns, and how to read the first of them."""
    names = [field.strip() for field in row]
    for columns, seconds in ((COLUMNS, _plain_seconds), (AZURE_COLUMNS, _date_seconds)):
        if set(columns) <= set(names):
            return [names.index(column) for column in columns], seconds
    raise UserError(
        f"{path}, line 1: the header must be {','.join(COLUMNS)} or {','.join(AZURE_COLUMNS)}, "
        f"not {','.join(names)[:80] or 'empty'}"
    )


def _plain_seconds(text: str, where: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        raise UserError(f"{where}: the arrival {text!r} is no number of seconds")
    return seconds


def _date_seconds(text: str, where: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UserError(
            f"{where}: {text!r} is no date and time like 2023-11-16 18:17:03.979"
        ) from None
    return (moment.replace(tzinfo=None) - datetime(2000, 1, 1)).total_seconds()


def _tokens(text: str, which: str, where: str) -> int:
    plain = text.isascii() and text.isdigit() and len(text) < 16
    n = int(text) if plain else 0
    if not 1 <= n <= LONGEST:
        raise UserError(
            f"{where}: {text[:20]!r} is no number of {which} tokens, a whole number from 1 "
            f"to {LONGEST:,}; leave out requests that failed"
        )
    return n
