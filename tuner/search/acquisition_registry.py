"""The acquisition functions that are known by name, and what one has to be to be plugged in.

BoTorch is loaded when one is made, so that their names cost nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from tuner.errors import UserError

if TYPE_CHECKING:
    from botorch.acquisition import AcquisitionFunction
    from botorch.models.model import Model
    from torch import Tensor

    from tuner.search.acquisition import ExactEHVI
    from tuner.search.dataset import Dataset

AcquisitionFactory = Callable[["Model", "Dataset"], "AcquisitionFunction"]
"""Makes an acquisition function from a model and what it was conditioned on.

The model has one output per objective, transformed so that larger is better (`OutcomeTransform`),
and is conditioned on `Dataset.baseline`; its inputs are codes of the space. The acquisition
function is asked for `N x 1 x p` codes at a time. Service levels, failures and cost are weighed in
afterwards (`WeightedAcquisition`): where its values are not logarithms, which its attribute `_log`
says in BoTorch, they must not be negative. What it draws from torch's random numbers depends on the
seed of the study.
"""


def exact_ehvi(model: Model, dataset: Dataset) -> ExactEHVI:
    """Expected hypervolume improvement over the front of posterior means, in closed form."""
    from tuner.search.acquisition import ExactEHVI
    from tuner.search.expected_front import ExpectedFront

    return ExactEHVI(model, ExpectedFront.of(model, dataset))


def qlognehvi(model: Model, dataset: Dataset) -> AcquisitionFunction:
    """BoTorch's noisy expected hypervolume improvement by sampling (Daulton et al. 2021).

    With one objective it is the noisy expected improvement.
    """
    from botorch.acquisition.logei import qLogNoisyExpectedImprovement as qLogNEI
    from botorch.acquisition.multi_objective.logei import (
        qLogNoisyExpectedHypervolumeImprovement as qLogNEHVI,
    )

    from tuner.search.expected_front import ExpectedFront

    if model.num_outputs == 1:
        return qLogNEI(model, _baseline(dataset))
    reference = -ExpectedFront.of(model, dataset).reference
    return qLogNEHVI(model, reference.tolist(), _baseline(dataset), prune_baseline=True)


def qlognparego(model: Model, dataset: Dataset) -> AcquisitionFunction:
    """BoTorch's noisy expected improvement of a random scalarisation (Daulton et al. 2020).

    With one objective there is nothing to scalarise.
    """
    from botorch.acquisition.logei import qLogNoisyExpectedImprovement as qLogNEI
    from botorch.acquisition.multi_objective.parego import qLogNParEGO

    make = qLogNEI if model.num_outputs == 1 else qLogNParEGO
    return make(model, _baseline(dataset), prune_baseline=True)


def _baseline(dataset: Dataset) -> Tensor:
    """Configurations that keep the service levels; all where none does. `k x p`."""
    from tuner.surrogates.surrogate import as_inputs

    kept = dataset.meets_levels
    return as_inputs(dataset.baseline[kept] if kept.any() else dataset.baseline)


ACQUISITIONS: Mapping[str, AcquisitionFactory] = {
    "ehvi": exact_ehvi,
    "qlognehvi": qlognehvi,
    "qlognparego": qlognparego,
}
"""By the names that `tune run --acquisition` takes; the first is the default."""


def acquisition_factory(acquisition: str | AcquisitionFactory | None) -> AcquisitionFactory:
    """The factory of a name, or the one given; the default for None.

    Raises:
        UserError: there is none of this name.
    """
    if acquisition is None:
        return exact_ehvi
    if not isinstance(acquisition, str):
        return acquisition
    if acquisition not in ACQUISITIONS:
        known = ", ".join(ACQUISITIONS)
        raise UserError(f"there is no acquisition '{acquisition}'; choose one of {known}.")
    return ACQUISITIONS[acquisition]
