"""What a study relies on in every backend: inherit `BackendContract` and say what is special."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import pytest
from test_worker import is_gone

from tuner.advice.export import write_recommendation
from tuner.advice.result import Recommendation
from tuner.engines import CommandEngine
from tuner.measure import EngineFailure, MeasurementProtocol, Metering, measure
from tuner.space import Arguments, load_space
from tuner.tasks import Prompt, Task

WORK = Task("good", tuple(Prompt(f"good {i} + 4 =", ("8",), "exact") for i in range(4)))
QUICK = MeasurementProtocol(
    max_seconds=60.0, warmup_seconds=0.1, min_repeats=2, max_repeats=2, max_cv=1e9
)


class BackendContract:
    """A subclass has the fixtures `backend` and `space`, and says how exports are read.

    `space` is a search space whose features `model` hold the model's alias, where there are models.
    """

    def read_back(self, folder) -> Arguments:
        """The arguments that the exported files bring into force, read as their consumer does."""
        raise NotImplementedError

    def unacceptable(self, arguments: Arguments) -> Arguments:
        """Arguments that the engine refuses."""
        return replace(arguments, harness={**arguments.harness, "no_such_thing": 1})

    @pytest.fixture
    def space(self, backend):
        models = backend.models()
        return load_space(backend.space, domains={"model": models} if models else {})

    @pytest.fixture
    def engine(self, backend, space):
        engine = backend.open(space)
        yield engine
        engine.close()

    def measurement(self, engine, arguments):
        """Of the work of this contract; what is not about it (few prompts) is taken as given."""
        if isinstance(engine, CommandEngine):
            return engine.measure(arguments)
        return measure(engine, Metering(), arguments, WORK, QUICK)

    def exported(self, backend, space, engine, folder):
        """The default, measured and exported; its arguments."""
        arguments = space.arguments(space.default)
        measured = self.measurement(engine, arguments)
        assert measured.failure is None, measured.failure
        recommendation = Recommendation(
            ("cheapest",), space.default, arguments, measured, (), verified=True
        )
        write_recommendation(recommendation, folder, [backend.export])
        return arguments

    def test_a_configuration_by_its_alias_is_valid(self, engine, space):
        measured = self.measurement(engine, space.arguments(space.default))
        assert measured.failure is None
        assert not [r for r in measured.reasons if "was asked for" in r]
        assert measured.validity == "valid", measured.reasons

    def test_what_ran_is_told_with_its_version(self, backend, engine, space):
        in_force = self.measurement(engine, space.arguments(space.default)).in_force
        assert in_force.engine
        if not backend.policy.measures_itself:
            assert in_force.version
            assert in_force.device == engine.device == "cpu"
            assert in_force.model_loaded
        assert in_force.command_line or in_force.url or backend.space == "transformers"

    def test_exported_files_give_the_configuration_back(self, backend, engine, space, tmp_path):
        arguments = self.exported(backend, space, engine, tmp_path)
        assert self.read_back(tmp_path) == self.as_loaded(arguments, backend)
        written = json.loads((tmp_path / "engine.json").read_text())
        assert written["load"] == dict(arguments.load)
        assert written["request"] == dict(arguments.request)
        assert bool(written["versions"]) or backend.policy.measures_itself

    def as_loaded(self, arguments: Arguments, backend) -> Arguments:
        """The arguments in the engine's own words, where those differ (a path for an alias)."""
        del backend
        return arguments

    def test_a_refusal_leaves_it_working(self, engine, space):
        arguments = space.arguments(space.default)
        if isinstance(engine, CommandEngine):
            assert engine.measure(self.unacceptable(arguments)).failure.cause == "refused"
        else:
            with pytest.raises(EngineFailure, match="refused"):
                engine.apply(self.unacceptable(arguments))
        assert self.measurement(engine, arguments).failure is None

    def test_nothing_is_left_over(self, backend, engine, space):
        self.measurement(engine, space.arguments(space.default))
        pids = () if backend.policy.measures_itself else engine.pids
        engine.close()
        assert all(is_gone(pid) for pid in pids if pid != os.getpid())
