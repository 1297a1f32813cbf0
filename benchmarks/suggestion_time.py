"""Processor seconds and memory of one suggestion over finished trials, on one core.

    python benchmarks/suggestion_time.py

Three objectives, on 12 mixed parameters, on the shipped space of transformers (over 10^10
configurations) and on the shipped spaces with more than 10^12, most of whose parameters are
conditional. A suggestion is what an ask costs in a study: the stopping rule is judged, then a
configuration is proposed, with nothing running beside it or with `--pending` trials, in turn. Each
space has a process of its own, whose greatest memory is told. With `--peers` others are timed in
the same run, on the same measurements of the 12 parameters (`peers.txt` installs them).
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import resource
import time
from collections.abc import Callable
from functools import partial

import numpy as np
from peers import peer
from peers.nearest import Nearest

from tuner.search import Observation, ParetoSampler
from tuner.space import Configuration, Space, Table, TableSpace, load_space
from tuner.surrogates import Objective

OBJECTIVES = (Objective("energy", "min"), Objective("latency", "min"), Objective("accuracy", "max"))
TWELVE = "12 mixed"
SPACES = (TWELVE, "transformers", "vllm", "sglang", "llama_cpp")
NOISE = 0.02
"""Standard error of a measurement, as a share of it."""
CAUSES = ("out of memory", "refused")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--finished", type=int, nargs="+", default=[20, 50, 100, 200])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--pending", type=int, default=16)
    parser.add_argument("--failing", type=float, default=0.0, help="share of trials that failed")
    parser.add_argument("--spaces", nargs="*", default=SPACES)
    parser.add_argument("--peers", nargs="*", default=[], help="on the 12: gp, ax, plain botorch")
    arguments = parser.parse_args()
    print(f"| space | finished | seconds | with {arguments.pending} running | ratio |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name in arguments.spaces:
        alone(report, name, arguments)
    for name in arguments.peers:
        alone(report_peer, name, arguments)


def alone(target: Callable[..., None], *given: object) -> None:
    """Call something in a process of its own."""
    child = multiprocessing.get_context("spawn").Process(target=target, args=given)
    child.start()
    child.join()
    if child.exitcode:
        raise SystemExit(child.exitcode)


def report(name: str, arguments: argparse.Namespace) -> None:
    """Print the medians of one space, and the memory of this process."""
    space = twelve() if name == TWELVE else load_space(name)
    once(space, 12, 0)  # libraries loaded
    for n in arguments.finished:
        alone, beside = np.median(
            [
                [once(space, n, seed, q, arguments.failing) for q in (0, arguments.pending)]
                for seed in range(arguments.repeats)
            ],
            axis=0,
        )
        print(f"| {name} | {n} | {alone:.3f} | {beside:.3f} | {beside / alone:.2f} |", flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    p = len(space.parameters)
    print(f"{name}: {p} parameters, {space.size:.2g} configurations, at most {peak:.0f} MiB")


def report_peer(name: str, arguments: argparse.Namespace) -> None:
    """Print the medians of an optimiser of others on the 12 parameters, nothing running beside."""
    space = twelve()
    for n in arguments.finished:
        seconds = np.median([once_peer(name, space, n, s) for s in range(arguments.repeats)])
        print(f"| {TWELVE}, {name} | {n} | {seconds:.3f} | | |", flush=True)


def once_peer(name: str, space: TableSpace, n: int, seed: int) -> float:
    """Processor seconds of one suggestion by a peer; how it is told its past is not counted."""
    rng = np.random.default_rng(seed)
    rows = space.index(np.unique(space.sample(2 * n, rng), axis=0)[:n])
    values = np.full((len(space), len(OBJECTIVES)), np.nan)
    values[rows] = [o.values for o in Landscape(space, seed).measure(space.rows_[rows])]
    columns = tuple(o.metric for o in OBJECTIVES)
    table = Table(space, values, np.full_like(values, np.nan), columns)
    _, make = peer(name)
    strategy = make(table, OBJECTIVES, seed, 1000)
    if isinstance(strategy, Nearest):
        for row in rows:
            strategy.peer.add(space.rows_[row].tolist(), strategy.values[row].tolist())
        strategy.peer.ask()  # Ax begins with the centre of the space, which takes it no time
        suggest: Callable[[], object] = strategy.peer.ask
    else:
        suggest = partial(strategy, rows.tolist())
    began = time.process_time()
    suggest()
    return time.process_time() - began


def once(space: Space, n: int, seed: int, pending: int = 0, failing: float = 0.0) -> float:
    """Processor seconds to judge the stop and propose one after `n` random measurements."""
    rng = np.random.default_rng(seed)
    landscape = Landscape(space, seed, failing)
    codes = np.unique(space.sample(2 * n + pending, rng), axis=0)[: n + pending]
    seen = landscape.measure(codes[:n])
    sampler = ParetoSampler(space, OBJECTIVES, seed=seed)
    sampler.status(seen[:-1])  # as in a study: the past was judged before
    began = time.process_time()
    sampler.status(seen)
    sampler.propose(seen, pending=codes[n:])
    return time.process_time() - began


class Landscape:
    """Three objectives that are products of one random factor per value, their noise, failures."""

    def __init__(self, space: Space, seed: int, failing: float = 0.0) -> None:
        self.space, self.failing = space, failing
        self.rng = np.random.default_rng([seed, 1])
        self.weights = {
            (p.name, v): self.rng.normal(size=3) * 0.3 for p in space.parameters for v in p.values
        }

    def measure(self, codes: np.ndarray) -> list[Observation]:
        """What measuring each of N configurations gives."""
        configurations = self.space.decode(codes)
        return [self._observation(*pair) for pair in zip(codes, configurations, strict=True)]

    def _observation(self, code: np.ndarray, configuration: Configuration) -> Observation:
        if self.rng.random() < self.failing:
            return Observation(code, cause=str(self.rng.choice(CAUSES)))
        a, b, c = sum(self.weights[item] for item in configuration.items())
        values = (math.exp(a), math.exp(b), 1 / (1 + math.exp(-c)))
        return Observation(code, values, [NOISE * value for value in values])


def twelve() -> TableSpace:
    """Twelve mixed parameters, a table of 20,000 rows: too many to list in `rows`."""
    rng = np.random.default_rng(0)
    n = 20_000
    columns = {f"c{i}": [f"v{v}" for v in rng.integers(0, 4, n)] for i in range(4)}
    columns |= {f"o{i}": rng.integers(1, 9, n).tolist() for i in range(8)}
    return TableSpace(columns)


if __name__ == "__main__":
    main()
