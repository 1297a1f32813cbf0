"""The models of all objectives over a space, and what they say in the units of the metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from botorch.models import ModelListGP
from torch import Tensor

from tuner.space import Knowledge
from tuner.space.contract import Codes, Parameter, Space
from tuner.surrogates.censoring import fit_with_bounds
from tuner.surrogates.distances import DistanceTables
from tuner.surrogates.fitting import fit_map
from tuner.surrogates.gp import ConfigurationGP
from tuner.surrogates.objective import Objective
from tuner.surrogates.outcome_transform import OutcomeTransform
from tuner.surrogates.prior_mean import PriorMean

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Prediction:
    """What a surrogate expects of N configurations.

    Attributes:
        mean: the median of each metric, in its unit, `N x m`.
        sd: its standard deviation in the same unit, to first order, `N x m`; noise is not in it.

    """

    mean: Floats
    sd: Floats


@dataclass(frozen=True)
class Surrogate:
    """A BoTorch model with one output per objective, and how its outputs are scaled.

    Make one with `Surrogate.fit`. Transforms are applied before the model, as Ax does, and not by
    it: the hypervolume is one of the transformed objectives.

    Attributes:
        transforms: how each objective is scaled, length m.
        model: one `ConfigurationGP` per objective; transformed outputs, larger is better.
        codes: the measured and pending rows that the model is conditioned on, `n x p`; behind
            them it may have further rows of which bounds are known.

    """

    transforms: tuple[OutcomeTransform, ...]
    model: ModelListGP
    codes: Codes

    @classmethod
    def fit(
        cls,
        space: Space,
        codes: Codes,
        values: Floats,
        sems: Floats | None,
        objectives: Sequence[Objective],
        *,
        ended: Codes | None = None,
        bounds: Floats | None = None,
    ) -> Surrogate:
        """Learn from measured configurations, and from bounds on others.

        Args:
            space: the space of the configurations.
            codes: measured configurations `n x p`, n >= 1, each once.
            values: metrics in their units `n x m`, finite.
            sems: their standard errors, NaN where unknown; None if all are.
            objectives: the m objectives.
            ended: configurations whose measurement was ended early, `b x p`; None for none.
            bounds: what each of their metrics is at least as bad as, `b x m`; NaN where nothing
                is known.

        """
        sems = np.full(values.shape, np.nan) if sems is None else sems
        ended = codes[:0] if ended is None else ended
        bounds = np.empty((0, len(objectives))) if bounds is None else bounds
        outputs = [_Output.of(space, codes, values[:, j], o) for j, o in enumerate(objectives)]
        columns = list(zip(outputs, values.T, sems.T, strict=True))
        Y = torch.from_numpy(np.stack([o.transformed(codes, v) for o, v, _ in columns], 1))
        Yvar = torch.from_numpy(
            np.stack([o.transform.transform_variance(v, s) for o, v, s in columns], 1)
        )
        X, models = as_inputs(codes), []
        for j, output in enumerate(outputs):
            model = fit_map(output.model(X, Y[:, j, None], Yvar[:, j, None]))
            if (known := np.isfinite(bounds[:, j])).any():
                limits = torch.from_numpy(output.transformed(ended[known], bounds[known, j]))
                model = fit_with_bounds(model, as_inputs(ended[known]), limits)
            models.append(model)
        return cls(tuple(o.transform for o in outputs), ModelListGP(*models), codes)

    @property
    def models(self) -> list[ConfigurationGP]:
        """The models of the single objectives."""
        return list(self.model.models)

    def objective_model(self, m: int) -> ModelListGP:
        """The model of the first m outputs."""
        return self.model if m == self.model.num_outputs else ModelListGP(*self.models[:m])

    def moments(self, codes: Codes | Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of the model at each of N configurations, both `N x m`."""
        posterior = self.model.posterior(as_inputs(codes)[:, None])
        return posterior.mean[:, 0], posterior.variance[:, 0]

    def predict(self, codes: Codes) -> Prediction:
        """Expected metrics of N configurations, without the noise of measuring them."""
        mean, variance = (t.numpy() for t in self.moments(codes))
        sd = np.sqrt(variance)
        columns = []
        for j, transform in enumerate(self.transforms):
            ends = [transform.untransform(mean[:, j] + k * sd[:, j]) for k in (-1, 0, 1)]
            columns.append((ends[1], abs(ends[2] - ends[0]) / 2))
        means, sds = zip(*columns, strict=True)
        return Prediction(np.stack(means, 1), np.stack(sds, 1))

    def condition_on_mean(self, codes: Codes) -> Surrogate:
        """The surrogate as if it had measured its own mean at further configurations `k x p`.

        Known as the kriging believer (Ginsbourger et al. 2010, "Kriging is well-suited to
        parallelize optimization").
        """
        if not len(codes):
            return self
        expected, _ = self.moments(codes)
        inputs = [as_inputs(codes)] * len(self.models)
        model = self.model.condition_on_observations(inputs, expected)
        return replace(self, model=model, codes=np.concatenate([self.codes, codes]))


@dataclass(frozen=True)
class _Output:
    """One objective: what matters to it, what is expected of it, and how it is scaled.

    Attributes:
        distances: tables of the parameters that matter.
        prior: what is expected of their values, in turned values (`to_scale`); None for nothing.
        transform: how values are scaled.

    """

    distances: DistanceTables
    prior: PriorMean | None
    transform: OutcomeTransform

    @classmethod
    def of(cls, space: Space, codes: Codes, values: Floats, objective: Objective) -> _Output:
        """The objective by n measured values."""
        distances = DistanceTables.of(space.parameters, relevant(space.parameters, objective))
        prior = PriorMean.of(distances, Knowledge.of(space, objective.kind))
        if prior is None:
            return cls(distances, None, OutcomeTransform.of(values, objective))
        objective = objective.on_log_scale(values)
        prior = prior.times(objective.turned_effect(values))
        expected = prior.mean(distances.value_indices(codes)).numpy()
        return cls(distances, prior, OutcomeTransform.of(values, objective, expected))

    def transformed(self, codes: Codes, values: Floats) -> Floats:
        """Values of configurations as the model sees them."""
        if self.prior is None:
            return self.transform.transform(values)
        expected = self.prior.mean(self.distances.value_indices(codes)).numpy()
        return self.transform.transform(values, expected)

    def model(self, X: Tensor, Y: Tensor, Yvar: Tensor) -> ConfigurationGP:
        """The model of transformed values, not fitted."""
        prior = None if self.prior is None else self.prior.times(-1.0 / self.transform.spread)
        return ConfigurationGP(X, Y, Yvar, distances=self.distances, prior=prior)


def as_inputs(codes: Codes | Tensor) -> Tensor:
    """Codes as the inputs of a model, `... x p` in double precision."""
    return torch.as_tensor(codes).double()


def relevant(parameters: Sequence[Parameter], objective: Objective) -> tuple[int, ...]:
    """Columns that can make a difference to an objective.

    Out go parameters that the space says cannot affect it, unless that leaves none.
    """
    found = tuple(
        j
        for j, p in enumerate(parameters)
        if objective.depends_on is None or p.affects is None or objective.depends_on in p.affects
    )
    return found or tuple(range(len(parameters)))
