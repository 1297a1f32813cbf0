"""Bins of requests whose lengths have the same next power of two.

The workload geometry of Fernandez et al. (2025, arXiv 2504.17674): input lengths go to the next
power of two of 32 to 8192, output lengths to that of 8 to 512.
"""

from __future__ import annotations

import math
import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tuner.workloads.prompt_synthesis import Fill
from tuner.workloads.request import Request
from tuner.workloads.trace import Trace

Corner = tuple[int, int]
"""A bin's greatest input and output length, which names it."""


@dataclass(frozen=True)
class Grid:
    """The powers of two that lengths are binned by.

    Attributes:
        input_range: smallest and greatest upper bound of a bin's input length, in tokens.
        output_range: those of its output length.

    """

    input_range: tuple[int, int] = (32, 8192)
    output_range: tuple[int, int] = (8, 512)

    def __post_init__(self) -> None:
        for low, high in (self.input_range, self.output_range):
            if not (1 <= low <= high and low.bit_count() == high.bit_count() == 1):
                raise ValueError(f"{low} to {high} is no range between powers of two")

    @property
    def inputs(self) -> tuple[int, ...]:
        """All upper bounds of input lengths, rising."""
        return _powers(*self.input_range)

    @property
    def outputs(self) -> tuple[int, ...]:
        """All upper bounds of output lengths, rising."""
        return _powers(*self.output_range)

    def corner(self, input_tokens: int, output_tokens: int) -> Corner:
        """The bin of a request. What is longer than the longest bin goes there (is clamped)."""
        return _bound(input_tokens, self.input_range), _bound(output_tokens, self.output_range)

    def clamps(self, input_tokens: int, output_tokens: int) -> bool:
        """Whether a request is longer than its bin."""
        return input_tokens > self.input_range[1] or output_tokens > self.output_range[1]

    def scaled(self, factor: float) -> Grid:
        """The grid for lengths divided by `factor`, which is taken as the nearest power of two."""
        return Grid(_shrunk(self.input_range, factor), _shrunk(self.output_range, factor))


@dataclass(frozen=True)
class Bin:
    """Requests whose lengths have the same next powers of two.

    Attributes:
        input_tokens: the greatest input length in it.
        output_tokens: the greatest output length in it.
        n: how many requests are in it.
        share: of all requests, in (0, 1].
        input_total: sum of the input lengths of its requests, as they were before binning.
        output_total: sum of their output lengths.
        clamped: how many of them are longer than the bin, because there is no longer one.

    """

    input_tokens: int
    output_tokens: int
    n: int
    share: float
    input_total: int
    output_total: int
    clamped: int

    @property
    def corner(self) -> Corner:
        """What names it: its greatest input and output length."""
        return self.input_tokens, self.output_tokens


def bins(trace: Trace, grid: Grid | None = None) -> tuple[Bin, ...]:
    """Count the requests of a trace by bins; only bins that hold some, sorted by their lengths."""
    grid = grid or Grid()
    found = []
    for corner, places in sorted(_members(trace, grid).items()):
        pairs = [(trace.input_tokens[k], trace.output_tokens[k]) for k in places]
        clamped = sum(grid.clamps(*pair) for pair in pairs)
        totals = (sum(i for i, _ in pairs), sum(o for _, o in pairs))
        found.append(Bin(*corner, len(pairs), len(pairs) / len(trace), *totals, clamped))
    return tuple(found)


def sample(trace: Trace, n: int, seed: int = 0, grid: Grid | None = None) -> Trace:
    """`n` requests of a trace, each bin with its share of them, in their order.

    The shares are rounded by the largest remainder, so that a bin gets its exact number of
    requests rounded down or up. Which of a bin's requests are taken is drawn by `seed`.
    """
    if n >= len(trace):
        return trace
    members = _members(trace, grid or Grid())
    wanted = _shared_out(n, {corner: len(some) for corner, some in members.items()})
    rng = random.Random(f"sample/{seed}")
    taken: list[int] = []
    for corner in sorted(members):
        taken += rng.sample(members[corner], wanted[corner])
    return trace.select(sorted(taken))


def _shared_out(n: int, weights: Mapping[Corner, int]) -> Counter[Corner]:
    """`n` things shared out in proportion to weights, by the largest remainder."""
    total = sum(weights.values())
    wanted = Counter({corner: n * weight // total for corner, weight in weights.items()})
    left = sorted(weights, key=lambda corner: (-(n * weights[corner] % total), corner))
    wanted.update(left[: n - wanted.total()])
    return wanted


def binned_requests(
    found: Sequence[Bin], fill: Fill, batch: int, *, seed: int = 0
) -> dict[Corner, tuple[Request, ...]]:
    """One batch of requests for each bin, with the bin's greatest lengths, as in the paper.

    It takes more energy than the bin's own requests, most of which are shorter; `drawn_requests`
    takes theirs. All prompts differ, so that no engine can answer from a prefix that it has seen.

    Raises:
        ValueError: the batch is empty.
    """
    return {
        one.corner: _batch([one.corner] * _positive(batch), fill, f"{seed}/{one.corner}")
        for one in found
    }


def drawn_requests(
    trace: Trace, fill: Fill, batch: int, *, seed: int = 0, grid: Grid | None = None
) -> dict[Corner, tuple[Request, ...]]:
    """One batch of requests for each bin, with lengths of its own requests, drawn by `seed`.

    Measured again with other seeds, its mean has no bias from binning, and its spread is that of
    measuring and of the requests in the bin together. A bin with fewer requests than a batch has
    some of them twice.

    Raises:
        ValueError: the batch is empty.
    """
    members = _members(trace, grid or Grid())
    asked = {}
    for corner in sorted(members):
        own = [(trace.input_tokens[k], trace.output_tokens[k]) for k in members[corner]]
        rng = random.Random(f"draw/{seed}/{corner}")
        times = math.ceil(_positive(batch) / len(own))
        asked[corner] = _batch(rng.sample(own * times, batch), fill, f"{seed}/{corner}")
    return asked


def _batch(lengths: Sequence[tuple[int, int]], fill: Fill, seed: str) -> tuple[Request, ...]:
    return tuple(
        Request(fill(i, f"{seed}/{k}"), max_tokens=o, min_tokens=o)
        for k, (i, o) in enumerate(lengths)
    )


def _positive(batch: int) -> int:
    if batch < 1:
        raise ValueError(f"a batch of {batch} requests")
    return batch


def _members(trace: Trace, grid: Grid) -> dict[Corner, list[int]]:
    """The places of each bin's requests in the trace."""
    members: dict[Corner, list[int]] = defaultdict(list)
    for index, (i, o) in enumerate(zip(trace.input_tokens, trace.output_tokens, strict=True)):
        members[grid.corner(i, o)].append(index)
    return members


def _powers(low: int, high: int) -> tuple[int, ...]:
    return tuple(2**e for e in range(low.bit_length() - 1, high.bit_length()))


def _bound(n: int, limits: tuple[int, int]) -> int:
    low, high = limits
    return min(high, max(low, 1 << (n - 1).bit_length()))


def _shrunk(limits: tuple[int, int], factor: float) -> tuple[int, int]:
    by = round(math.log2(factor))
    low, high = (max(0, limit.bit_length() - 1 - by) for limit in limits)
    return 1 << low, 1 << high
