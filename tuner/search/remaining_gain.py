"""How much hypervolume the best candidates may still add: what the stopping rule goes by."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from tuner.search.pareto import hypervolume
from tuner.search.ranking import CandidateRanking
from tuner.search.single_thread import single_thread
from tuner.space.contract import Codes
from tuner.surrogates import Surrogate
from tuner.surrogates.surrogate import as_inputs

Floats = npt.NDArray[np.float64]

SAMPLES = 32
"""Joint samples from which the remaining gain is judged."""
CANDIDATES = 64
"""Best candidates in each of them."""
FEASIBILITY_SAMPLES = 256
"""Joint samples of these from which the chance is judged that anything keeps the levels."""
CONFIDENCE = 0.8
"""The remaining gain is a bound that holds with this probability."""


def remaining_gain(ranking: CandidateRanking, seed: int) -> float:
    """Share of the front's hypervolume that measuring the best candidates would add.

    A bound that holds with probability `CONFIDENCE`, over joint samples of the models. Where
    already the best single candidate is expected to add more than that is worth sampling
    for, that expectation is the answer. While nothing keeps the levels, it is the share of
    the samples in which one of the best candidates does.
    """
    if not len(ranking.codes):
        return 0.0
    best = np.argsort(-ranking.gains, kind="stable")[:CANDIDATES]
    front = ranking.front.points
    count = SAMPLES if len(front) else FEASIBILITY_SAMPLES
    with single_thread():
        sampled = _joint_samples(ranking.surrogate, ranking.codes[best], count, seed)
    feasible = ranking.constraints.is_feasible(sampled)
    if not len(front):
        return float(feasible.any(1).mean())
    if not ranking.hypervolume:  # nothing keeps the limits of interest
        return 1.0
    added = np.where(feasible[..., None], -sampled[..., : front.shape[1]], np.inf)
    shares = set_gains(added, front, ranking.front.reference) / ranking.hypervolume
    expected = float(ranking.gains[best[0]]) / ranking.hypervolume
    return max(expected, float(np.quantile(shares, CONFIDENCE)))


def set_gains(samples: Floats, front: Floats, reference: Floats) -> Floats:
    """Hypervolume that each of S sampled sets of candidates (`S x N x m`) adds to the front."""
    base = hypervolume(front, reference)
    return np.array([hypervolume(np.concatenate([front, s]), reference) - base for s in samples])


def _joint_samples(surrogate: Surrogate, codes: Codes, count: int, seed: int) -> Floats:
    """Joint samples of all outputs at N configurations, `count x N x outputs`.

    The root is that of the eigenvectors: the covariance of many near configurations has no
    Cholesky factor.
    """
    generator = torch.Generator().manual_seed(seed)
    draws = []
    for model in surrogate.models:
        normal = model.posterior(as_inputs(codes)).distribution
        values, vectors = torch.linalg.eigh(normal.covariance_matrix)
        root = vectors * values.clamp_min(0.0).sqrt()
        noise = torch.randn(count, len(values), generator=generator, dtype=torch.float64)
        draws.append(normal.mean - noise @ root.T)
    return torch.stack(draws, 2).numpy()
