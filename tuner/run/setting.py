"""From the specification of a study to its space, its requests and its engine."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tuner.engines import TransformersEngine
from tuner.errors import UserError
from tuner.measure import Engine
from tuner.run.asking import Asking, longest_request, read_asking
from tuner.run.bench import Bench, CommandBench, EngineBench, Trials
from tuner.run.controlled import ControlledEngine
from tuner.search import ServiceLevel
from tuner.space import (
    SearchSpace,
    Value,
    checkpoint_pins,
    environment_domains,
    environment_pins,
    load_model,
    parse_pins,
    request_pins,
    version_warning,
)
from tuner.study import Observer, StudySpec
from tuner.study.models import folder_of, resolve_models, study_domains

if TYPE_CHECKING:
    from tuner.engines import ServerEngine
    from tuner.features import FeatureModel


@dataclass(frozen=True)
class Setting:
    """What is tuned: the space, how a bench is made, and what to know of it."""

    space: SearchSpace
    bench: Callable[[Trials, Sequence[ServiceLevel], Observer], Bench]
    notices: tuple[str, ...] = ()
    model: FeatureModel | None = None


@contextmanager
def setting_of(spec: StudySpec) -> Iterator[Setting]:
    """The setting of a study; engine and GPUs are let go at the end.

    Raises:
        UserError: for input that cannot be used.
    """
    models = _models(spec)
    features = Features.of(spec, models)
    with ExitStack() as stack:
        if spec.command is not None:
            from tuner.engines import CommandEngine

            space = features.space(spec)
            command = CommandEngine(spec.command, space=space)
            yield Setting(space, lambda trials, _, observe: CommandBench(command, trials, observe))
            return
        own = spec.url is None and spec.launch_command is None
        warning = version_warning(features.model) if own else None
        asking = read_asking(spec, models)
        space = features.sized(asking, models).space(spec)
        engine: Engine = _engine(spec, models, space)
        stack.callback(engine.close)
        if features.gpu_settings:
            engine = stack.enter_context(_controlled(engine, features.gpu_settings))
        yield Setting(
            space,
            lambda trials, levels, observe: EngineBench(
                engine, asking, trials, spec, levels, observe
            ),
            (warning,) if warning else (),
            features.model,
        )


@dataclass(frozen=True)
class Features:
    """The feature model of what is tuned, and what this machine makes of it.

    Attributes:
        model: the engine's, together with the GPUs' where these may be changed.
        domains: values of typed features that this machine gives.
        pins: features that this machine fixes.
        gpu_settings: what may be set on the GPUs.

    """

    model: FeatureModel
    domains: dict[str, Sequence[Value]]
    pins: dict[str, Value]
    gpu_settings: tuple[str, ...] = ()

    def space(self, spec: StudySpec) -> SearchSpace:
        """The search space; what the study itself pins comes first."""
        pins = {**self.pins, **spec.pins}
        return SearchSpace.from_model(self.model, pins=pins, domains=self.domains)

    def sized(self, asking: Asking, models: Sequence[str]) -> Features:
        """With `longest_request` large enough for what is asked, where the model has it."""
        if "longest_request" not in self.model.features or not models:
            return self
        tokens = max(longest_request(asking, model) for model in models)
        return replace(self, pins={**self.pins, **request_pins(self.model, tokens)})

    @classmethod
    def of(cls, spec: StudySpec, models: Sequence[str]) -> Features:
        """Those of a study that chooses between these models; none for a server that runs."""
        model = load_model(spec.space_name)
        domains = dict(study_domains(model, models) if models else environment_domains(model))
        pins = environment_pins(model)
        if models and (folder := folder_of(models[0])) is not None:
            pins |= checkpoint_pins(model, folder)
        if not spec.gpu_control:
            return cls(model, domains, pins)
        from tuner.hardware import SETTINGS, supported
        from tuner.hardware import domains as levels
        from tuner.space import combine

        found = levels(supported())
        if not found:
            raise UserError("--allow-gpu-control: the GPUs here offer nothing that can be set.")
        both = combine([model, load_model("nvidia_gpu")])
        pins |= dict.fromkeys(set(SETTINGS) - set(found), False)
        return cls(both, {**domains, **found}, pins, tuple(found))


def parsed_pins(spec: StudySpec, texts: Sequence[str]) -> dict[str, Value]:
    """Features to fix, from texts `FEATURE=VALUE`. UserError for what the space does not have."""
    models = _models(spec)
    features = Features.of(spec, models)
    return dict(parse_pins(features.model, texts, domains=features.domains))


def _models(spec: StudySpec) -> tuple[str, ...]:
    """The models to choose between; a server that runs already has its own."""
    return () if spec.url else resolve_models(spec.models, spec.trust_remote_code)


def _engine(
    spec: StudySpec, models: Sequence[str], space: SearchSpace
) -> TransformersEngine | ServerEngine:
    if not spec.is_served:
        return TransformersEngine(trust_remote_code=spec.trust_remote_code)
    from tuner.engines import ServerEngine

    server = ServerEngine(
        next(iter((*models, *spec.models)), ""),
        launch=spec.launch,
        url=spec.url,
        command=shlex.split(spec.launch_command) if spec.launch_command else None,
        trust_remote_code=spec.trust_remote_code,
        started_with=space.arguments(space.default).load if spec.url else None,
    )
    server.check()  # before there is a folder of a study that cannot begin
    return server


@contextmanager
def _controlled(engine: Engine, settings: Sequence[str]) -> Iterator[ControlledEngine]:
    """The engine with control over its GPUs, which are set back at the end."""
    from tuner.hardware import GpuControl

    with GpuControl(settings) as gpus:
        yield ControlledEngine(engine, gpus)
