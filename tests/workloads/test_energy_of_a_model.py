"""The cost of a workload from bins against a direct run of the same requests, on a built-in model.

The cost is counted in token positions that the model computes, padding included, which is the same
on every machine; `benchmarks/workload_energy.py` compares energies.
"""

from __future__ import annotations

from collections import defaultdict
from types import SimpleNamespace

import pytest

from tuner.builtin_models.counting import token_counter
from tuner.engines import TransformersEngine
from tuner.measure import Metric
from tuner.measure.statistics import estimate_mean
from tuner.workloads import (
    Grid,
    bins,
    drawn_requests,
    exact_fill,
    filled,
    read_lengths,
    workload_energy,
)

BATCH, ROUNDS = 4, 6


def full_batches(trace, grid):
    """The requests of a trace in the order of their bins, without the last batch not full."""
    members = defaultdict(list)
    for k, pair in enumerate(zip(trace.input_tokens, trace.output_tokens, strict=True)):
        members[grid.corner(*pair)].append(k)
    return trace.select(
        [k for some in members.values() for k in some[: len(some) // BATCH * BATCH]]
    )


def positions(answers):
    """Token positions of static batches: prompts and answers padded to the longest of the batch."""
    batches = [answers[k : k + BATCH] for k in range(0, len(answers), BATCH)]
    return float(
        sum(
            len(b) * (max(a.n_prompt_tokens for a in b) + max(a.n_output_tokens for a in b))
            for b in batches
        )
    )


def estimate(values):
    mean = estimate_mean(values)
    return Metric(mean.value, "J", mean.low, mean.high, mean.sem, len(values), "estimated")


@pytest.mark.slow
def test_the_cost_from_bins_agrees_with_a_direct_run_within_its_interval():
    drawn = read_lengths("lognormal:input=1020/4142,output=129/601", n=80, scale=32)
    grid = Grid().scaled(32)
    trace = full_batches(drawn.fitted(128)[0], grid)
    fill = exact_fill(token_counter("builtin:small"))
    direct = filled(trace, fill).requests
    costs = defaultdict(list)
    with TransformersEngine() as engine:
        engine.apply(
            SimpleNamespace(
                load={"model": "builtin:small"},
                request={"max_new_tokens": 1},
                harness={"batch_size": BATCH, "threads": 1},
            )
        )
        whole = positions(engine.run(direct, seed=0))
        for seed in range(ROUNDS):
            asked = drawn_requests(trace, fill, BATCH, seed=seed, grid=grid)
            for corner, requests in asked.items():
                answers = engine.run(requests, seed=seed)
                costs[corner].append(positions(answers))
                assert [a.n_prompt_tokens for a in answers] == [len(r.prompt) + 1 for r in requests]
    summed = workload_energy(
        bins(trace, grid), {corner: estimate(some) for corner, some in costs.items()}, BATCH
    )
    assert summed.requests == len(direct)
    assert summed.low <= whole <= summed.high
    assert summed.high - summed.low < 0.3 * whole
