"""Energy from bins against a direct run of the same requests, on a built-in model."""

from __future__ import annotations

import random
from collections import defaultdict
from types import SimpleNamespace

import pytest

from tuner.engines import TransformersEngine
from tuner.measure import Metric
from tuner.measure.meters import cpu_seconds
from tuner.measure.statistics import estimate_mean
from tuner.models.counting import token_counter
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


def estimate(values):
    mean = estimate_mean(values)
    return Metric(mean.value, "J", mean.low, mean.high, mean.sem, len(values), "estimated")


@pytest.mark.slow
def test_energy_from_bins_agrees_with_a_direct_run_within_the_intervals():
    drawn = read_lengths("lognormal:input=1020/4142,output=129/601", n=80, scale=32)
    grid = Grid().scaled(32)
    trace = full_batches(drawn.fitted(128)[0], grid)
    fill = exact_fill(token_counter("builtin:small"))
    direct = filled(trace, fill).requests
    joules = defaultdict(list)
    with TransformersEngine() as engine:
        engine.apply(
            SimpleNamespace(
                load={"model": "builtin:small"},
                request={"max_new_tokens": 1},
                harness={"batch_size": BATCH, "threads": 1},
            )
        )
        engine.run(direct, seed=0)
        for seed in range(ROUNDS):
            asked = {"direct": (direct, 1)}
            for corner, some in drawn_requests(
                trace, fill, 3 * BATCH, seed=seed, grid=grid
            ).items():
                asked[corner] = (some, 3)
            for key in random.Random(seed).sample(list(asked), len(asked)):
                requests, times = asked[key]
                before = cpu_seconds(engine.pids)
                answers = engine.run(requests, seed=seed)
                joules[key].append((cpu_seconds(engine.pids) - before) / times)
                assert [a.n_prompt_tokens for a in answers] == [len(r.prompt) + 1 for r in requests]
    whole = estimate(joules.pop("direct"))
    summed = workload_energy(
        bins(trace, grid), {corner: estimate(some) for corner, some in joules.items()}, BATCH
    )
    assert summed.requests == len(direct)
    assert summed.low <= whole.high
    assert whole.low <= summed.high
    assert 0.6 < summed.joules / whole.value < 1.6
