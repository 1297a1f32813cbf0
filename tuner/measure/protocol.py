"""How thoroughly a configuration is measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Protocol:
    """The rules of one measurement.

    A repeat is one pass over the task's prompts. Where `min_repeats` passes do not fit into
    `max_seconds`, a repeat is over a part of the prompts: as many as fit, and each repeat goes on
    where the one before ended, so that together they answer as many prompts as they can.

    Attributes:
        max_seconds: for warm-up and repeats together, loading not included; overrun by at most
            one batch for each repeat. Where the warm-up takes half of it, that is all.
        warmup_seconds: warm-up ends when batches no longer get faster, or after this long.
        min_repeats: so many passes at least.
        max_repeats: so many passes at most.
        interval_rel: enough repeats when the 95 % intervals of energy and mean latency reach no
            further than this share of the value to either side.
        idle_seconds: how long idle power is metered once the model is loaded, for net energy;
            only with a meter that sees idle power.
        watts_per_core: of the estimate where nothing can be metered.
        max_cv: repeats that vary more than this (standard deviation over mean) are suspect.
        max_quantisation_rel: energies that the meter resolves less finely are suspect.

    """

    max_seconds: float = 8.0
    warmup_seconds: float = 1.0
    min_repeats: int = 3
    max_repeats: int = 10
    interval_rel: float = 0.05
    idle_seconds: float = 3.0
    watts_per_core: float = 4.0
    max_cv: float = 0.25
    max_quantisation_rel: float = 0.05

    def __post_init__(self) -> None:
        if not 1 <= self.min_repeats <= self.max_repeats:
            raise ValueError("needs 1 <= min_repeats <= max_repeats")
        if self.max_seconds <= 0:
            raise ValueError("max_seconds must be positive")
