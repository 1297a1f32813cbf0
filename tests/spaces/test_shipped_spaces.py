"""What holds for every space that ships with the tuner."""

from __future__ import annotations

import numpy as np
import pytest

from tuner.features import Rules, compile_model, lint, read_uvl, write_uvl
from tuner.space import SearchSpace, expectations, load_model, load_space, shipped_spaces

NAMES = sorted(shipped_spaces())

# Pins of Boolean features and values, so that the compiled model can be given the same.
MACHINES = {
    "transformers": [{"accelerator": True, "flash_attn_installed": True}, {}],
    "transformers_serve": [
        {"accelerator": True, "flash_attn_installed": True, "samples_by_itself": True},
        {"longest_request": 4096},
    ],
    "vllm": [{"gpus": 4, "mixture_of_experts": True}, {"accelerator": False}],
    "sglang": [
        {"gpus": 4, "mixture_of_experts": True, "tensorrt_hardware": True, "fp8_hardware": True},
        {"accelerator": False},
    ],
    "llama_cpp": [{"accelerator": True, "gpus": 2, "draft_model_available": True}, {"cpus": 2}],
    "nvidia_gpu": [{}, {"gpu_clock_mhz": False}],
    "openai": [{}],
}


def test_there_is_a_machine_for_each():
    assert sorted(MACHINES) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_linter_has_nothing_to_say_and_the_file_reads_back_equal(name):
    model = load_model(name)
    assert not lint(model)
    assert read_uvl(write_uvl(model)) == model


@pytest.mark.parametrize("name", NAMES)
def test_every_constraint_says_why_and_whose_rule_it_is(name):
    for constraint in load_model(name).all_constraints:
        assert "(engine" in constraint.comment or "(policy)" in constraint.comment, constraint.text
        assert len(constraint.comment.split()) > 5, constraint.text


@pytest.mark.parametrize("name", NAMES)
def test_what_is_expected_has_its_reason_above(name):
    model = load_model(name)
    said = expectations(model)
    assert said
    for feature in said:
        assert len(model.features[feature].comment.split()) > 2, feature


@pytest.mark.parametrize(("name", "pins"), [(n, pins) for n in NAMES for pins in MACHINES[n]])
def test_nothing_is_expected_that_a_choice_cannot_affect(name, pins):
    for parameter in load_space(name, pins=pins).parameters:
        kinds = {e.kind for e in parameter.expected}
        if parameter.affects is not None:
            on_speed = {"latency" if kind == "throughput" else kind for kind in kinds}
            assert on_speed <= parameter.affects, parameter.name


@pytest.mark.parametrize(("name", "pins"), [(n, pins) for n in NAMES for pins in MACHINES[n]])
def test_counts_as_the_compiled_feature_model_does(name, pins):
    model = load_model(name)
    given = {
        f.name: f.default if f.typed else f.default is True
        for f in model.features.values()
        if model.inherited(f.name, "role") == "context" and not f.abstract
    }
    for feature in model.features.values():
        if (
            model.inherited(feature.name, "fixed")
            and model.parent_groups[feature.name][1].kind == "optional"
        ):
            given[feature.name] = False
        elif feature.typed and model.inherited(feature.name, "fixed"):
            parent = model.parent_groups[feature.name][0].name
            if given.get(parent, True) is not False and parent not in ("Quanto", "Hqq"):
                given[feature.name] = feature.default
    space = SearchSpace.from_model(model, pins=pins)
    assert space.size == compile_model(model).condition({**given, **pins}).count


@pytest.mark.parametrize(("name", "pins"), [(n, pins) for n in NAMES for pins in MACHINES[n]])
def test_samples_are_valid_by_the_feature_model(name, pins):
    space = load_space(name, pins=pins)
    rules = Rules(space.model)
    drawn = space.decode(space.sample(200, np.random.default_rng(0)))
    assert rules.valid(rules.layout.rows([space.selection(c) for c in drawn])).all()


@pytest.mark.parametrize(("name", "pins"), [(n, pins) for n in NAMES for pins in MACHINES[n]])
def test_what_is_valid_stays_valid_when_it_is_brought_into_canonical_form(name, pins):
    space = load_space(name, pins=pins)
    valid = space._algebra.without_canonical_form
    raw = valid.sample(2000, np.random.default_rng(0), uniform=False)
    assert space.is_valid(space.canonical(raw)).all()


@pytest.mark.parametrize("name", NAMES)
def test_the_default_is_valid_as_it_is_written(name):
    space = load_space(name)
    for feature, value in space.selection(space.default).items():
        declared = space.model.features[feature]
        assert value is True or value == declared.default or feature == "threads"
