"""Compare the energy of a workload put together from bins with a direct run of its requests.

Takes a sample of a token-length trace, scaled to a built-in model. In each round it measures, in
random order, all requests directly (batch by batch in the order of their bins) and a few batches of
each bin, once with the bin's greatest lengths and once with lengths of its own requests. Energy is
estimated from the CPU time of the engine's process. Prints both sums with their 95 % intervals.

    python benchmarks/workload_energy.py TRACE.csv [--n 240] [--scale 32] [--rounds 8]
"""

from __future__ import annotations

import argparse
import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from types import SimpleNamespace

from tuner.builtin_models.counting import token_counter
from tuner.engines import TransformersEngine
from tuner.measure import Metric
from tuner.measure.meters import cpu_seconds
from tuner.measure.meters.cpu_time import WATTS_PER_CORE
from tuner.measure.statistics import estimate_mean
from tuner.workloads import (
    Grid,
    Request,
    binned_requests,
    bins,
    drawn_requests,
    exact_fill,
    filled,
    read_lengths,
    workload_energy,
)

BATCHES = 3
"""Batches of a bin in one window, so that starting it weighs as little as in the direct run."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trace")
    parser.add_argument("--model", default="builtin:base")
    parser.add_argument("--n", type=int, default=240)
    parser.add_argument("--scale", type=float, default=32)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=8)
    options = parser.parse_args()
    trace = read_lengths(options.trace, n=options.n, scale=options.scale, rate="closed")
    trace, shortened = trace.fitted(128)
    grid = Grid().scaled(options.scale)
    found = bins(trace, grid)
    print(f"{trace.name}: {len(found)} bins, {shortened} requests shortened")
    fill = exact_fill(token_counter(options.model))
    direct = in_order_of_bins(filled(trace, fill).requests, trace, grid)
    windows: dict[tuple[str, object], list[float]] = defaultdict(list)
    with TransformersEngine() as engine:
        engine.apply(
            SimpleNamespace(
                load={"model": options.model},
                request={"max_new_tokens": 1},
                harness={"batch_size": options.batch, "threads": 1},
            )
        )
        for round_ in range(-1, options.rounds):
            size = BATCHES * options.batch
            asked: dict[tuple[str, object], Sequence[Request]] = {("direct", None): direct}
            for corner, some in binned_requests(found, fill, size, seed=round_).items():
                asked["bound", corner] = some
            for corner, some in drawn_requests(trace, fill, size, seed=round_, grid=grid).items():
                asked["drawn", corner] = some
            for key in random.Random(round_).sample(list(asked), len(asked)):
                work = partial(engine.run, asked[key], seed=round_)
                energy = joules(work, engine)
                if round_ >= 0:  # the first round warms up
                    windows[key].append(energy if key[0] == "direct" else energy / BATCHES)
    report("direct", estimate(windows["direct", None]))
    for how in ("bound", "drawn"):
        measured = {one.corner: estimate(windows[how, one.corner]) for one in found}
        for partly in ("share", "whole"):
            report(
                f"{how}, {partly}", workload_energy(found, measured, options.batch, partly=partly)
            )


def in_order_of_bins(requests: Sequence[Request], trace, grid: Grid) -> list[Request]:
    lengths = zip(trace.input_tokens, trace.output_tokens, strict=True)
    corners = [grid.corner(*pair) for pair in lengths]
    return [requests[k] for k in sorted(range(len(requests)), key=lambda k: (corners[k], k))]


def joules(work: Callable[[], object], engine: TransformersEngine) -> float:
    before = cpu_seconds(engine.pids)
    work()
    return WATTS_PER_CORE * (cpu_seconds(engine.pids) - before)


def estimate(values: Sequence[float]) -> Metric:
    mean = estimate_mean(values)
    return Metric(mean.value, "J", mean.low, mean.high, mean.sem, len(values), "estimated")


def report(name: str, energy) -> None:
    value = getattr(energy, "joules", None) or energy.value
    print(f"{name:15} {value:8.2f} J [{energy.low:.2f}, {energy.high:.2f}]")


if __name__ == "__main__":
    main()
