"""Planning a study without starting an engine."""

from __future__ import annotations

from tuner.measure import probe_meters
from tuner.run.engine_evaluator import DEFAULT_SHARE, trial_seconds
from tuner.run.objectives import levels_of, limits_of_interest, objectives_of
from tuner.run.setup import read_inputs
from tuner.run.verification import LARGEST_SHARE, LEAST_BLOCKS
from tuner.search import ParetoSampler
from tuner.study import StudySpec
from tuner.study.plan import StudyPlan


def plan_study(spec: StudySpec) -> StudyPlan:
    """Plan a study; nothing is started, and nothing is written.

    Raises:
        UserError: for input that cannot be used.
    """
    inputs = read_inputs(spec)
    sampler = ParetoSampler(
        inputs.space,
        objectives_of(spec),
        seed=spec.seed,
        budget=spec.max_trials,
        levels=levels_of(spec),
        cost_aware=spec.max_seconds is not None,
        limits=limits_of_interest(spec),
    )
    task = inputs.requests.task if inputs.requests else None
    installation = spec.backend.installation()
    limit_s = spec.max_seconds
    return StudyPlan(
        engine=spec.feature_model,
        models=tuple(inputs.models),
        configurations=inputs.space.size,
        requests=len(inputs.requests.work) if inputs.requests else 0,
        graded=len(task) if task is not None else 0,
        objectives=spec.effective_objectives,
        limits=tuple(limit.text for limit in spec.effective_limits),
        levels=spec.levels,
        default=inputs.space.default,
        first=tuple(inputs.space.decode(sampler.design)),
        meter=_meter(spec),
        installed=installation.detail if installation is not None else None,
        seconds=limit_s,
        default_seconds=None if limit_s is None else DEFAULT_SHARE * limit_s,
        verification_seconds=None if limit_s is None else LARGEST_SHARE * limit_s,
        trial_seconds=trial_seconds(spec),
        least_blocks=LEAST_BLOCKS,
    )


def _meter(spec: StudySpec) -> str:
    if spec.backend.policy.measures_itself:
        return "the command's own"
    working = [meter.name for meter in probe_meters() if meter.available]
    measured = [name for name in working if name != "CPU time"]
    return ", ".join(measured) or "estimated from CPU time: no meter can be read here"
