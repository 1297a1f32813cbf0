"""A real model, in process and behind the real `llama-server`, answers and is measured."""

from __future__ import annotations

import os

import numpy as np
import pytest

from tuner.engines.serving.llama_cpp import LLAMA_CPP
from tuner.measure import MeasurementProtocol, Metering, measure
from tuner.run.resolved_space import ResolvedSpace
from tuner.space import load_space
from tuner.study import StudySpec
from tuner.tasks import read_task

pytestmark = [pytest.mark.real, pytest.mark.slow]

ONE_PASS = MeasurementProtocol(warmup_seconds=0.0, max_seconds=60.0, min_repeats=1, max_repeats=1)


def easy_questions(path, n=8):
    """Capitals, of which the model knows nearly all."""
    task = read_task(path)
    return task.select([i for i, p in enumerate(task.prompts) if p.kind == "capital"][:n])


def measured(spec: StudySpec, changes: list[dict]):
    """The default and configurations that differ from it, all on the same questions."""
    backend = spec.backend
    space = ResolvedSpace.of(spec, backend.models()).search_space(spec)
    task = easy_questions(spec.task)
    engine = backend.open(space)
    try:
        with Metering() as metering:
            for change in [{}, *changes]:
                arguments = space.arguments(space.configuration(change))
                yield measure(engine, metering, arguments, task, ONE_PASS)
    finally:
        engine.close()


def test_in_process_batches_answer_alike_and_take_less_energy(real):
    spec = StudySpec.of(
        models=(str(real.model),), task=str(real.questions), pins={"max_new_tokens": 16}
    )
    alone, batched = measured(spec, [{"batch_size": 8, "threads": 1}])
    assert alone.failure is None
    assert alone.metrics["accuracy"].value > 0.5
    assert batched.scores == alone.scores
    energy = "joules_per_request"
    assert batched.metrics[energy].value < alone.metrics[energy].value


def test_behind_llama_server(real):
    spec = StudySpec.of(
        models=(str(real.checkpoint),),
        task=str(real.questions),
        launch="llama.cpp",
        launch_command=str(real.server),
    )
    default, other = measured(spec, [{"concurrency": 2}])
    for measurement in (default, other):
        assert measurement.failure is None, measurement.reasons
        assert measurement.metrics["accuracy"].value > 0.5
        assert measurement.metrics["joules_per_request"].value > 0
        assert measurement.metrics["mean_ttft_ms"].value > 0


def test_the_server_has_every_option_of_its_feature_model(real, monkeypatch):
    monkeypatch.setenv("PATH", str(real.server.parent), prepend=os.pathsep)
    space = load_space("llama_cpp", pins={"accelerator": True, "draft_model_available": True})
    codes = space.sample(300, np.random.default_rng(0))
    asked = {name for c in space.decode(codes) for name in space.arguments(c).load}
    assert len(asked) > 30
    assert asked <= LLAMA_CPP.known_arguments()
