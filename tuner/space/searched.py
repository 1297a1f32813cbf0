"""What a search on this machine meets: a feature model with its pins and the machine's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tuner.features import FeatureModel, Value
from tuner.space.environment import environment_domains, environment_pins
from tuner.space.pins import pinned_model
from tuner.space.search_space import SearchSpace


def search_space(
    model: FeatureModel,
    *,
    pins: Mapping[str, Value] | None = None,
    domains: Mapping[str, Sequence[Value]] | None = None,
    engine_version: str | None = None,
) -> SearchSpace:
    """The space of a feature model on this machine.

    Args:
        model: the feature model.
        pins: features to fix; they come before what the machine fixes (`environment_pins`).
        domains: values of typed features in place of those that the model lists, the default
            first; they come before the machine's (`environment_domains`).
        engine_version: the engine's release, which decides what of the model there is.

    Raises:
        UserError: as `SearchSpace.from_model` does.
    """
    return SearchSpace.from_model(
        model,
        pins={**environment_pins(model, engine_version), **(pins or {})},
        domains={**environment_domains(model), **(domains or {})},
    )


def searched_model(
    model: FeatureModel,
    *,
    pins: Mapping[str, Value] | None = None,
    domains: Mapping[str, Sequence[Value]] | None = None,
    engine_version: str | None = None,
) -> FeatureModel:
    """The feature model of `search_space`: `tuner.features` answers about exactly its rows."""
    return pinned_model(
        model,
        {**environment_pins(model, engine_version), **(pins or {})},
        {**environment_domains(model), **(domains or {})},
    )
