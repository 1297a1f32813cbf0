"""What the fast fitter buys: seconds and marginal likelihood reached, against BoTorch's fitter.

    python benchmarks/fitting.py

The same models of random measurements on shipped spaces, from the same start: `fit_map`, whose
gradient is written out, and `fit_gpytorch_mll`, which differentiates `ExactMarginalLogLikelihood`.
Processor seconds on one core, the least of the tries, then medians over seeds and objectives. Then
how many fits reached the same optimum (to `SAME` in the log posterior density per measurement),
how many a higher one by `fit_map`, and how many by BoTorch, with the most that it was higher.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from botorch.fit import fit_gpytorch_mll
from gpytorch.mlls import ExactMarginalLogLikelihood
from suggestion_time import OBJECTIVES, TWELVE, Landscape, twelve

from tuner.search.single_thread import single_thread
from tuner.space import Space, load_space
from tuner.surrogates import ConfigurationGP, OutcomeTransform
from tuner.surrogates.distances import DistanceTables
from tuner.surrogates.fitting import fit_map
from tuner.surrogates.surrogate import as_inputs

SAME = 1e-4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--measured", type=int, nargs="+", default=[20, 50, 100, 200])
    parser.add_argument("--spaces", nargs="*", default=[TWELVE, "vllm"])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--tries", type=int, default=2)
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    print("| space | measured | fit_map | fit_gpytorch_mll | ratio | same | fit_map | BoTorch |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name in arguments.spaces:
        space = twelve() if name == TWELVE else load_space(name)
        compare(space, 12, 0, 1)  # libraries loaded
        for n in arguments.measured:
            seeds = range(arguments.seeds)
            with single_thread():
                found = np.array([compare(space, n, seed, arguments.tries) for seed in seeds])
            fast, slow = np.median(found[..., :2].reshape(-1, 2), axis=0)
            gained = (found[..., 2] - found[..., 3]).ravel()
            print(
                f"| {name} | {n} | {fast:.3f} | {slow:.3f} | {slow / fast:.1f} | "
                f"{(abs(gained) <= SAME).sum()} | {higher(gained)} | {higher(-gained)} |",
                flush=True,
            )


def higher(gained: np.ndarray) -> str:
    """How many fits reached a higher optimum than the other, and by how much at most."""
    better = gained[gained > SAME]
    return f"{len(better)} (by {better.max():.2g})" if len(better) else "0"


def compare(space: Space, n: int, seed: int, tries: int) -> list[list[float]]:
    """For each objective the seconds of both fitters, then the likelihoods that they reach.

    The likelihood is the logarithm of the posterior density per measurement, which is what
    `ExactMarginalLogLikelihood` returns.
    """
    rng = np.random.default_rng(seed)
    codes = np.unique(space.sample(2 * n, rng), axis=0)[:n]
    seen = Landscape(space, seed).measure(codes)
    values, sems = (np.array([getattr(o, name) for o in seen]) for name in ("values", "sems"))
    distances = DistanceTables.of(space.parameters, range(len(space.parameters)))
    found = []
    for j, objective in enumerate(OBJECTIVES):
        transform = OutcomeTransform.of(values[:, j], objective)
        Y = torch.from_numpy(transform.transform(values[:, [j]]))
        Yvar = torch.from_numpy(transform.transform_variance(values[:, [j]], sems[:, [j]]))
        made = partial(ConfigurationGP, as_inputs(codes), Y, Yvar, distances=distances)
        fast, slow = timed(fit_map, made, tries), timed(fit_botorch, made, tries)
        found.append([fast[0], slow[0], fast[1], slow[1]])
    return found


def timed(
    fit: Callable[[ConfigurationGP], object], made: Callable[[], ConfigurationGP], tries: int
) -> tuple[float, float]:
    """Least processor seconds of a fitter over some tries, and the likelihood it reaches."""
    seconds = []
    for _ in range(tries):
        model = made()
        began = time.process_time()
        fit(model)
        seconds.append(time.process_time() - began)
    return min(seconds), likelihood(model)


def fit_botorch(model: ConfigurationGP) -> None:
    fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))


@torch.no_grad()
def likelihood(model: ConfigurationGP) -> float:
    mll = ExactMarginalLogLikelihood(model.likelihood, model).train()
    return mll(model(*model.train_inputs), model.train_targets).item()


if __name__ == "__main__":
    main()
