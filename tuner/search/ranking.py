"""What to measure next: dataset, models, acquisition, its optimisation over the space, ranking.

Everything here is computed from a `Dataset` and a seed alone, so that a study that was opened
again sees what it would have seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from tuner.search.acquisition import ExactEHVI
from tuner.search.acquisition_registry import AcquisitionFactory, exact_ehvi
from tuner.search.candidates import evaluated, optimize_acquisition
from tuner.search.dataset import Dataset
from tuner.search.expected_front import ExpectedFront
from tuner.search.fitted_models import FittedModels
from tuner.search.outcome_constraints import OutcomeConstraints, transformed_limits
from tuner.search.pareto import hypervolume
from tuner.search.replication import replication_value
from tuner.search.single_thread import single_thread
from tuner.search.weighted_acquisition import AcquisitionWeights, WeightedAcquisition
from tuner.space.contract import Codes, Space
from tuner.surrogates import Objective, Surrogate
from tuner.surrogates.service_level import ServiceLevel, modelled_outputs

Floats = npt.NDArray[np.float64]

NEAREST = 8
"""Configurations nearest to keeping the levels, around which to look while none keeps them."""


@dataclass(frozen=True)
class CandidateRanking:
    """Candidates for the next measurement, and the models that ranked them.

    Attributes:
        codes: candidates, best first, `N x p`; a measured one stands for measuring it again.
        gains: expected gain of each in hypervolume, failures and levels weighed in, length N.
        hypervolume: hypervolume of the expected front, in the same (transformed) units.
        surrogate: the models behind it, conditioned also on what is pending.
        front: the expected front.
        constraints: the service levels.

    """

    codes: Codes
    gains: Floats
    hypervolume: float
    surrogate: Surrogate
    front: ExpectedFront
    constraints: OutcomeConstraints


def rank_candidates(
    space: Space,
    objectives: Sequence[Objective],
    levels: Sequence[ServiceLevel],
    dataset: Dataset,
    fitted: FittedModels,
    seed: int,
    acquisition: AcquisitionFactory = exact_ehvi,
    limits: Sequence[ServiceLevel] = (),
) -> CandidateRanking:
    """Rank what to measure next after a dataset, by the models fitted to it.

    The values of the dataset are those of `modelled_outputs(objectives, levels)`.
    """
    rng = np.random.default_rng([seed, 1, dataset.n_observations, len(dataset.pending)])
    draws = np.random.default_rng([seed, 4, dataset.n_observations, len(dataset.pending)])
    with single_thread(int(draws.integers(2**31))):
        surrogate = fitted.surrogate.condition_on_mean(dataset.pending)
        outputs = modelled_outputs(objectives, levels)
        constraints = OutcomeConstraints.of(space, dataset, surrogate, outputs, levels)
        weights = AcquisitionWeights(surrogate, fitted.feasibility, constraints, fitted.cost)
        mean, variance = surrogate.moments(dataset.baseline)
        dataset = replace(
            dataset,
            meets_levels=constraints.is_feasible(mean.numpy()),
            limits=transformed_limits(space, dataset, surrogate, outputs, limits),
        )
        model = surrogate.objective_model(len(objectives))
        gain = exact_ehvi(model, dataset)
        value = WeightedAcquisition(
            gain if acquisition is exact_ehvi else acquisition(model, dataset), weights
        )
        around = dataset.baseline[gain.front.on_front]
        if not len(around):
            chances = constraints.probability_of_feasibility(mean, variance)
            nearest = np.argsort(-chances.numpy(), kind="stable")
            around = dataset.baseline[nearest[:NEAREST]]
        codes, values = optimize_acquisition(space, value, dataset.evaluated, around, rng)
        if len(values) and values[0] <= value.nothing:
            codes = rng.permutation(codes)
        rates = values if value.acquisition is gain else _gain_per_second(gain, weights, codes)
        repeated, worth = replication_value(surrogate, gain.front, dataset)
        both = np.concatenate([codes, repeated])
        seconds = fitted.cost.seconds(both)
        rates = np.concatenate([rates, worth / seconds[len(codes) :]])
    order = _order(rates, len(codes))
    return CandidateRanking(
        codes=both[order],
        gains=(rates * seconds)[order],
        hypervolume=hypervolume(gain.front.points, gain.front.reference),
        surrogate=surrogate,
        front=gain.front,
        constraints=constraints,
    )


def _gain_per_second(gain: ExactEHVI, weights: AcquisitionWeights, codes: Codes) -> Floats:
    """Expected gain in hypervolume per second, by which repeats compare with candidates."""
    return evaluated(WeightedAcquisition(gain, weights), codes)


def _order(rates: Floats, new: int) -> npt.NDArray[np.intp]:
    """Candidates in their order, each repeat before the first one that gains less a second.

    Args:
        rates: expected gain per second, first of the `new` candidates, then of the repeats.
        new: how many candidates there are.

    """
    candidates, repeats = rates[:new], rates[new:]
    less = candidates[None, :] < repeats[:, None]
    before = np.where(less.any(1), less.argmax(1), new) if new else np.zeros(len(repeats))
    return np.lexsort((-rates, np.concatenate([np.arange(new), before - 0.5])))
