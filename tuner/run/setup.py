"""From the specification of a study to its space, its requests, its engine and its evaluator."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuner.engines.command import CommandEngine
from tuner.errors import UserError
from tuner.measure import Engine, Meter, Metering
from tuner.run.command_evaluator import CommandEvaluator
from tuner.run.engine_evaluator import EngineEvaluator
from tuner.run.evaluator import Evaluator, TrialHistory
from tuner.run.gpu_controlled_engine import GpuControlledEngine
from tuner.run.request_set import RequestSet, read_requests
from tuner.run.resolved_space import ResolvedSpace
from tuner.search import ServiceLevel
from tuner.space import SearchSpace, version_warning
from tuner.study import Observer, StudySpec

if TYPE_CHECKING:
    from tuner.features import FeatureModel


@dataclass(frozen=True)
class StudySetup:
    """What is tuned.

    Attributes:
        space: the search space.
        evaluator: makes what measures configurations, for a history of trials, its service levels,
            its limits of interest and an observer.
        model: the feature model behind the space.
        notices: sentences that a user should know before the first trial.
    """

    space: SearchSpace
    evaluator: Callable[
        [TrialHistory, Sequence[ServiceLevel], Sequence[ServiceLevel], Observer], Evaluator
    ]
    model: FeatureModel
    notices: tuple[str, ...] = ()


@dataclass(frozen=True)
class StudyInputs:
    """What a study is about, read and checked; no engine runs yet.

    Attributes:
        models: that may be chosen, the default first.
        resolved: the feature model with the pins and domains of the study.
        space: the search space on this machine.
        requests: what is asked; None where the engine measures itself.
    """

    models: tuple[str, ...]
    resolved: ResolvedSpace
    space: SearchSpace
    requests: RequestSet | None


def read_inputs(spec: StudySpec) -> StudyInputs:
    """Read models, requests and space of a study. UserError for input that cannot be used."""
    backend = spec.backend
    models = backend.models()
    resolved = ResolvedSpace.of(spec, models)
    requests = None if backend.policy.measures_itself else read_requests(spec, models)
    if requests is not None:
        resolved = resolved.with_room_for(requests, models)
    return StudyInputs(models, resolved, resolved.search_space(spec), requests)


@contextmanager
def set_up(spec: StudySpec, meters: Sequence[Meter] = ()) -> Iterator[StudySetup]:
    """Prepare a study; engine and GPUs are released at the end.

    Args:
        spec: of the study.
        meters: read in place of the best ones that work here; the caller closes them.

    Raises:
        UserError: for input that cannot be used.
    """
    backend = spec.backend
    inputs = read_inputs(spec)
    resolved, space, requests = inputs.resolved, inputs.space, inputs.requests
    installation = backend.installation()
    warning = version_warning(resolved.model, installation.version) if installation else None
    with ExitStack() as stack:
        engine = backend.open(space)
        stack.callback(engine.close)

        def evaluator(
            history: TrialHistory,
            levels: Sequence[ServiceLevel],
            limits: Sequence[ServiceLevel],
            observe: Observer,
        ) -> Evaluator:
            if isinstance(engine, CommandEngine):
                return CommandEvaluator(engine, history, observe)
            assert requests is not None
            return EngineEvaluator(
                driven,
                metering,
                requests,
                history,
                spec,
                levels,
                limits,
                observe,
            )

        if isinstance(engine, CommandEngine):
            if meters:
                raise UserError("a command measures by itself: leave meters out.")
        else:
            driven: Engine = engine
            if resolved.gpu_settings:
                driven = stack.enter_context(_controlled(engine, resolved.gpu_settings))
            metering = stack.enter_context(Metering(meters))
        yield StudySetup(space, evaluator, resolved.model, (warning,) if warning else ())


@contextmanager
def _controlled(engine: Engine, settings: Sequence[str]) -> Iterator[GpuControlledEngine]:
    """The engine with control over its GPUs, which are set back at the end."""
    from tuner.hardware import GpuControl

    with GpuControl(settings) as gpus:
        yield GpuControlledEngine(engine, gpus)
