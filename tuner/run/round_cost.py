"""How long rounds of verification take, judged by the trials of the search."""

from __future__ import annotations

from collections.abc import Sequence

from tuner.engines.backend import EnginePolicy
from tuner.measure import Measurement
from tuner.run.evaluator import TrialHistory
from tuner.space import Configuration

LOAD_SECONDS = 4.0
"""Allowance for loading a model once more, for an engine that keeps models in memory."""


def seconds_of_rounds(
    history: TrialHistory,
    configurations: Sequence[Configuration],
    rounds: int,
    *,
    n_requests: int,
    longest_pass_s: float,
    policy: EnginePolicy,
) -> float:
    """Seconds for a pass over all requests in each round, and for what loading takes.

    An engine that restarts starts anew in each turn of a round.

    Args:
        history: with a complete trial of each configuration.
        configurations: that take part.
        rounds: how many.
        n_requests: in a pass.
        longest_pass_s: a pass is cut after that.
        policy: of the engine.
    """
    passes, setups = {}, {}
    for record in history.complete:
        if record.measurement is not None:
            passes[record.configuration] = pass_seconds(record.measurement, n_requests)
            setups[record.configuration] = record.measurement.setup_seconds
    once = sum(min(passes[c], longest_pass_s) for c in configurations)
    if policy.restarts:
        starts = policy.turns_per_round * sum(setups[c] for c in configurations)
        return rounds * (once + starts)
    return rounds * once + LOAD_SECONDS * len(configurations)


def pass_seconds(measurement: Measurement, n_requests: int) -> float:
    """How long a configuration takes to answer so many requests; 0 where its rate is unknown."""
    rate = measurement.metrics.get("request_throughput")
    return n_requests / rate.value if rate is not None and rate.value > 0 else 0.0
