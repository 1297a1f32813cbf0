"""How thoroughly a configuration is measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

_LEVELS = ("ttft", "tpot", "e2el")


@dataclass(frozen=True)
class MeasurementProtocol:
    """The rules of one measurement.

    A repeat is one pass over the requests. Where `min_repeats` passes do not fit into
    `max_seconds`, a repeat is over a block of them, of whole batches, and each repeat goes on where
    the one before ended. All configurations begin with the first request and go in the same order,
    so that they can be compared request by request.

    Requests with arrivals (an open loop) are one window as a whole, from the first of them on, cut
    only by `max_seconds`; further repeats are made where they fit.

    Attributes:
        max_seconds: for warm-up and repeats together, loading not included; overrun by at most
            one block.
        patience: where some requests are still unanswered, a configuration that may be the best in
            something has so many times `max_seconds` for them.
        warmup_seconds: warm-up ends when batches no longer get faster, or after this long.
        min_repeats: so many passes at least.
        max_repeats: so many passes at most.
        interval_rel: enough repeats when the 95 % intervals of energy and mean latency reach no
            further than this share of the value to either side.
        idle_seconds: how long idle power is metered once the model is loaded, for net energy;
            only with a meter that sees idle power.
        watts_per_core: of the estimate where nothing can be metered.
        max_cv: repeats that vary more than this (standard deviation over mean) are suspect.
        goodput: the longest `ttft`, `tpot` and `e2el` in milliseconds that a good request takes,
            any of them; without a level there is no `request_goodput`.
        max_quantisation_rel: energies that the meter resolves less finely are suspect.

    """

    max_seconds: float = 8.0
    patience: float = 4.0
    warmup_seconds: float = 1.0
    min_repeats: int = 3
    max_repeats: int = 10
    interval_rel: float = 0.05
    idle_seconds: float = 3.0
    watts_per_core: float = 4.0
    max_cv: float = 0.25
    max_quantisation_rel: float = 0.05
    goodput: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 1 <= self.min_repeats <= self.max_repeats:
            raise ValueError("needs 1 <= min_repeats <= max_repeats")
        if self.max_seconds <= 0:
            raise ValueError("max_seconds must be positive")
        if self.patience < 1:
            raise ValueError("patience must be at least 1")
        unknown = set(self.goodput) - set(_LEVELS)
        if unknown or min(self.goodput.values(), default=1.0) <= 0:
            raise ValueError(f"goodput takes positive levels of {', '.join(_LEVELS)}")

    def block_size(self, n_requests: int, batch: int, batch_s: float | None) -> int:
        """Requests of a repeat: all, or as many whole batches as leave time for the other ones.

        Less than two batches are all: the rest of a second one would be requests that were
        answered before.

        Args:
            n_requests: of the work.
            batch: requests that are under way at a time.
            batch_s: what a batch takes, in seconds; None where it takes too long to be known.
        """
        if n_requests < 2 * batch:
            return n_requests
        if batch_s is None:
            return batch
        fitting = self.max_seconds / self.min_repeats / max(batch_s, 1e-6)
        batches = -(-n_requests // batch)
        if fitting >= batches:
            return n_requests
        blocks = -(-batches // max(1, int(fitting)))
        return -(-batches // blocks) * batch
