"""`Tuner` serves scripts that measure for themselves."""

from __future__ import annotations

import math

import pytest

import tuner
from tuner import Tuner, UserError

OBJECTIVES = ["energy_j:min", "mean_e2el_ms:min", "accuracy:max"]
PINS = {"search": "OneByOne", "cache": "Dynamic", "Penalties": True, "dtype": "float32"}


def cost(configuration) -> dict[str, float]:
    """A closed formula in the place of an engine."""
    batch = configuration["batch_size"]
    size = {"builtin:small": 1, "builtin:base": 3, "builtin:large": 9}[configuration["model"]]
    warm = configuration.get("temperature", 0.0)
    return {
        "energy_j": size * (1 + 4 / batch) * configuration["max_new_tokens"] / 64,
        "mean_e2el_ms": 10 * size * math.sqrt(batch),
        "accuracy": {1: 0.6, 3: 0.85, 9: 0.95}[size] - 0.1 * warm,
    }


def finished(**options) -> Tuner:
    script = Tuner("transformers", OBJECTIVES, pins=PINS, max_trials=14, seed=2, **options)
    while not script.done:
        proposal = script.ask()
        script.tell(proposal, cost(proposal.configuration))
    return script


def test_a_script_gets_recommendations_from_what_it_told():
    script = finished()
    assert script.stopped_by == "limit of 14 trials reached"
    recommended = script.recommend()
    assert {"cheapest", "fastest"} <= {role for r in recommended for role in r.roles}
    cheapest = next(r for r in recommended if "cheapest" in r.roles)
    assert cheapest.comparisons[0].change < 0
    assert not cheapest.verified


def test_the_first_proposal_is_the_engines_default():
    script = Tuner("transformers", OBJECTIVES)
    assert script.ask().configuration == script.space.default


def test_arguments_are_what_the_engine_takes():
    arguments = Tuner("transformers", OBJECTIVES).ask().arguments
    assert arguments.load["model"] == "builtin:large"
    assert arguments.harness["batch_size"] == 1
    assert arguments.request["do_sample"] is False


def test_a_script_can_be_killed_and_goes_on(tmp_path):
    first = Tuner("transformers", OBJECTIVES, pins=PINS, storage=tmp_path / "s.db", seed=5)
    proposals = []
    for _ in range(3):
        proposal = first.ask()
        proposals.append(proposal.configuration)
        first.tell(proposal, cost(proposal.configuration))
    expected = first.ask().configuration
    again = Tuner("transformers", OBJECTIVES, pins=PINS, storage=tmp_path / "s.db", seed=5)
    assert again.ask().configuration == expected


def test_telling_nothing_is_a_mistake_with_a_remedy():
    script = Tuner("transformers", OBJECTIVES)
    with pytest.raises(UserError, match="accuracy"):
        script.tell(script.ask(), {"energy_j": 1.0, "mean_e2el_ms": 2.0})


def test_a_failure_is_told_with_its_cause_and_recommends_nothing():
    script = Tuner("transformers", OBJECTIVES)
    script.tell(script.ask(), failed="out_of_memory", message="5 GB wanted")
    assert script.recommend() == ()


def test_public_names_are_there_and_no_others():
    for name in tuner.__all__:
        assert getattr(tuner, name)
    with pytest.raises(AttributeError):
        _ = tuner.nonsense
