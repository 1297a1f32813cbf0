"""The feature model of a study, and what this machine, the model and the requests make of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tuner.engines.model_source import model_folder
from tuner.engines.registry import installed_version
from tuner.errors import UserError
from tuner.run.request_set import RequestSet, longest_request
from tuner.space import (
    SearchSpace,
    Value,
    checkpoint_pins,
    engine_of,
    environment_domains,
    load_model,
    parse_pins,
    request_pins,
    search_space,
)
from tuner.study import StudySpec

if TYPE_CHECKING:
    from tuner.features import FeatureModel


@dataclass(frozen=True)
class ResolvedSpace:
    """A feature model with the pins and domains of a study.

    Attributes:
        model: the engine's, together with the GPUs' where these may be changed.
        domains: values of typed features that the choice of models and the GPUs give.
        pins: features that the checkpoint, the requests and the GPUs fix.
        gpu_settings: what may be set on the GPUs.

    """

    model: FeatureModel
    domains: dict[str, Sequence[Value]]
    pins: dict[str, Value]
    gpu_settings: tuple[str, ...] = ()

    @classmethod
    def of(cls, spec: StudySpec, models: Sequence[str]) -> ResolvedSpace:
        """That of a study that chooses between these models; none where the engine has its own."""
        model = load_model(spec.feature_model)
        named = bool(models) and "model" in model.features
        folder = model_folder(models[0]) if models else None
        resolved = cls(
            model,
            {"model": tuple(models)} if named else {},
            checkpoint_pins(model, folder) if folder is not None else {},
        )
        return resolved._with_gpus() if spec.gpu_control else resolved

    def with_room_for(self, requests: RequestSet, models: Sequence[str]) -> ResolvedSpace:
        """With `longest_request` large enough for the requests, where the model has it."""
        if "longest_request" not in self.model.features or not models:
            return self
        tokens = max(longest_request(requests, model) for model in models)
        return replace(self, pins={**self.pins, **request_pins(self.model, tokens)})

    def search_space(self, spec: StudySpec) -> SearchSpace:
        """The search space on this machine; what the study itself pins comes first."""
        return search_space(
            self.model,
            pins={**self.pins, **spec.pins},
            domains=self.domains,
            engine_version=installed_version(engine_of(self.model)),
        )

    def _with_gpus(self) -> ResolvedSpace:
        from tuner.hardware import SETTINGS, domains, supported
        from tuner.space import combine

        found = domains(supported())
        if not found:
            raise UserError("--allow-gpu-control: the GPUs here offer nothing that can be set.")
        both = combine([self.model, load_model("nvidia_gpu")])
        missing = dict.fromkeys(set(SETTINGS) - set(found), False)
        return ResolvedSpace(
            both, {**self.domains, **found}, {**self.pins, **missing}, tuple(found)
        )


def parsed_pins(spec: StudySpec, texts: Sequence[str]) -> dict[str, Value]:
    """Features to fix, from texts `FEATURE=VALUE`. UserError for what the space does not have."""
    resolved = ResolvedSpace.of(spec, spec.backend.models())
    domains = {**environment_domains(resolved.model), **resolved.domains}
    return dict(parse_pins(resolved.model, texts, domains=domains))
