"""Processor seconds of one suggestion over finished trials, on one core.

    python benchmarks/suggestion_time.py

Three objectives, the shipped space of transformers (over 10^10 configurations, 32 parameters,
most of them conditional) or 12 mixed parameters; the stopping rule is judged before each
suggestion, as in a study.
"""

from __future__ import annotations

import argparse
import math
import time

import numpy as np

from tuner.search import Observation, ParetoSampler
from tuner.space import Space, TableSpace, load_space
from tuner.surrogates import Objective

OBJECTIVES = (Objective("energy", "min"), Objective("latency", "min"), Objective("accuracy", "max"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--finished", type=int, nargs="+", default=[20, 50, 100, 200])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--pending", type=int, default=0)
    arguments = parser.parse_args()
    for name, space in (("transformers", load_space("transformers")), ("12 mixed", twelve())):
        for n in arguments.finished:
            seconds = [once(space, n, seed, arguments.pending) for seed in range(arguments.repeats)]
            print(f"{name:14} after {n:4d}: {np.median(seconds):.3f} s", flush=True)


def once(space: Space, n: int, seed: int, pending: int) -> float:
    """Processor seconds to judge the stop and propose one after `n` random measurements."""
    rng = np.random.default_rng(seed)
    weights = {(p.name, v): rng.normal(size=3) * 0.3 for p in space.parameters for v in p.values}
    codes = np.unique(space.sample(2 * n + pending, rng), axis=0)[: n + pending]
    seen = []
    for code, configuration in zip(codes[:n], space.decode(codes[:n]), strict=True):
        a, b, c = sum(weights[item] for item in configuration.items())
        seen.append(Observation(code, (math.exp(a), math.exp(b), 1 / (1 + math.exp(-c)))))
    sampler = ParetoSampler(space, OBJECTIVES, seed=seed)
    sampler.status(seen[:-1])  # as in a study: libraries loaded, the past judged before
    began = time.process_time()
    sampler.status(seen)
    sampler.propose(seen, pending=codes[n:])
    return time.process_time() - began


def twelve() -> TableSpace:
    """Twelve mixed parameters, a table of 20,000 rows: too many to list in `rows`."""
    rng = np.random.default_rng(0)
    n = 20_000
    columns = {f"c{i}": [f"v{v}" for v in rng.integers(0, 4, n)] for i in range(4)}
    columns |= {f"o{i}": rng.integers(1, 9, n).tolist() for i in range(8)}
    return TableSpace(columns)


if __name__ == "__main__":
    main()
