"""Whether anything invalid is ever proposed on spaces of more than 10^12 configurations.

    python benchmarks/valid_proposals.py

Whole studies of three objectives, each with a seed of its own and a tenth of the measurements
failing: the initial design, then batches, each member of which is proposed as if those before it
were running. Every proposal is judged by two parts of the program that the search does not use: the
rules of the feature model, evaluated one by one, and a satisfiability solver that is given every
feature of the proposal. The rules also judge all candidates that the last batch of a study was
chosen from.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from suggestion_time import OBJECTIVES, Landscape

from tuner.features import Rules, Solver
from tuner.search import ParetoSampler
from tuner.search.ranking import CandidateRanking
from tuner.space import SearchSpace, load_space


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--spaces", nargs="+", default=["vllm", "sglang", "llama_cpp"])
    parser.add_argument("--proposals", type=int, default=10_000, help="in all spaces together")
    parser.add_argument("--length", type=int, default=40, help="proposals of one study")
    parser.add_argument("--batch", type=int, default=5)
    arguments = parser.parse_args()
    share = -(-arguments.proposals // len(arguments.spaces))
    for name in arguments.spaces:
        space = load_space(name)
        judge, counts = Judge(space), np.zeros(3, dtype=int)
        began = time.process_time()
        for seed in range(-(-share // arguments.length)):
            counts += study(space, judge, seed, arguments.length, arguments.batch)
        print(
            f"{name}: {space.size:.2g} configurations; {counts[0]} proposals, {counts[1]} invalid; "
            f"{counts[2]} candidates ranked behind them; {time.process_time() - began:.0f} s",
            flush=True,
        )


def study(space: SearchSpace, judge: Judge, seed: int, length: int, batch: int) -> tuple[int, ...]:
    """Proposals of one study, how many of them or of the candidates are invalid, and candidates."""
    sampler = ParetoSampler(space, OBJECTIVES, seed=seed)
    landscape = Landscape(space, seed, failing=0.1)
    seen, proposed = [], []
    while len(proposed) < length:
        codes = sampler.propose(seen, n=min(batch, length - len(proposed)))
        proposed.extend(codes)
        seen += landscape.measure(codes)
    last: CandidateRanking = sampler._rankings[next(reversed(sampler._rankings))]
    wrong = judge.invalid(np.stack(proposed), solve=True) + judge.invalid(last.codes, solve=False)
    return len(proposed), wrong, len(last.codes)


class Judge:
    """What is valid, by the rules of the model and by a satisfiability solver."""

    def __init__(self, space: SearchSpace) -> None:
        self.space = space
        self.rules, self.solver = Rules(space.model), Solver(space.model)

    def invalid(self, codes: np.ndarray, *, solve: bool) -> int:
        """How many of N rows are no valid configuration."""
        chosen = self.space.selections(codes)  # whether valid or not
        valid = self.rules.valid(self.rules.layout.rows(chosen))
        if solve:
            nothing = dict.fromkeys(self.space.model.features, False)
            valid &= [self.solver.satisfiable({**nothing, **given}) for given in chosen]
        return int((~valid).sum())


if __name__ == "__main__":
    main()
