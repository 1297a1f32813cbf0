"""Grading a configuration on prompts that are not what it is timed on."""

from __future__ import annotations

import time
from dataclasses import replace

from tuner.measure import (
    Engine,
    EngineFailure,
    Failure,
    Grading,
    InterruptedRun,
    KeepGoing,
    Measurement,
    Metric,
    OnPhase,
)
from tuner.measure.engine_protocol import or_interrupt
from tuner.measure.statistics import estimate_share
from tuner.space import Arguments
from tuner.tasks import Task


def graded(
    engine: Engine,
    arguments: Arguments,
    measurement: Measurement,
    task: Task,
    seed: int,
    on_phase: OnPhase,
    keep_going: KeepGoing | None = None,
) -> Measurement:
    """The measurement of a configuration with its accuracy on all prompts of a task.

    Requests that got no answer score nothing. One that failed is returned as it is.

    Raises:
        InterruptedRun: `keep_going` said no before all prompts were answered.
    """
    if measurement.failure is not None:
        return measurement
    on_phase(Grading(len(task)))
    in_time = or_interrupt(keep_going) if keep_going is not None else None
    began = time.monotonic()
    try:
        engine.apply(arguments, keep_going=in_time)
        completions = engine.run(task.requests, seed=seed, keep_going=in_time)
    except EngineFailure as failure:
        return replace(
            measurement,
            metrics={},
            energy=None,
            validity="invalid",
            reasons=(str(failure),),
            failure=Failure(failure.cause, failure.message),
        )
    if len(completions) < len(task):
        raise InterruptedRun
    scores = task.grade([completion.text for completion in completions])
    estimate = estimate_share(scores)
    accuracy = Metric(
        estimate.value, "1", estimate.low, estimate.high, estimate.sem, len(scores), "graded"
    )
    return replace(
        measurement,
        metrics={**measurement.metrics, "accuracy": accuracy},
        scores=scores,
        seconds=measurement.seconds + time.monotonic() - began,
    )
