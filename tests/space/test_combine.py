"""One space out of an engine's and the hardware's."""

from __future__ import annotations

import numpy as np
import pytest
from feature_oracle import random_text
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tuner.errors import UserError
from tuner.features import read_uvl, write_uvl
from tuner.space import SearchSpace, combine, environment_pins, load_model, load_space

ENGINES = ["transformers", "transformers_serve", "vllm", "sglang", "llama_cpp", "openai"]


@pytest.mark.parametrize("name", ENGINES)
def test_there_are_as_many_configurations_as_pairs(name):
    both = combine([load_model(name), load_model("nvidia_gpu")])
    assert (
        SearchSpace.from_model(both).size == load_space(name).size * load_space("nvidia_gpu").size
    )


@given(st.integers(0, 10**6), st.integers(0, 10**6))
@settings(max_examples=50, deadline=None)
def test_so_it_is_for_generated_models(one, other):
    first = read_uvl(random_text(one, features=6))
    second = read_uvl(
        "features\n    Other\n        optional\n            Integer o1 {values [1, 2, 3]}\n"
        "            O2\nconstraints\n    O2 => o1\n"
        if other % 2
        else "features\n    Other\n"
    )
    assume("Other" not in first.features)
    sizes = []
    for model in (first, second):
        try:
            sizes.append(SearchSpace.from_model(model).size)
        except UserError:
            assume(False)
    assert SearchSpace.from_model(combine([first, second])).size == sizes[0] * sizes[1]


def test_the_engine_stays_what_it_was_and_the_file_can_be_written():
    engine, gpu = load_model("vllm"), load_model("nvidia_gpu")
    both = combine([engine, gpu])
    assert both.root.name == "VLLM"
    assert both.root.attributes == engine.root.attributes
    assert both.all_constraints == engine.all_constraints + gpu.all_constraints
    assert both.source == engine.source
    assert read_uvl(write_uvl(both)) == both
    assert environment_pins(both) == environment_pins(engine)
    assert combine([engine]) == engine


def test_hardware_is_told_apart_and_is_left_alone_by_default():
    space = SearchSpace.from_model(combine([load_model("sglang"), load_model("nvidia_gpu")]))
    assert not space.arguments(space.default).hardware
    chosen = space.configuration({"gpu_clock_mhz": 1200, "power_limit_w": 300, "tp_size": 1})
    arguments = space.arguments(chosen)
    assert arguments.hardware == {"gpu_clock_mhz": 1200, "power_limit_w": 300}
    assert not {"gpu_clock_mhz", "power_limit_w"} & {*arguments.load, *arguments.request}
    for parameter in space.parameters:
        if parameter.name.removeprefix("use_") in arguments.hardware:
            assert not parameter.restart
            assert parameter.affects == {"energy", "latency"}


def test_the_machine_lists_its_values_and_zero_is_none_of_them():
    levels = {"gpu_clock_mhz": (0, 600, 1980), "memory_clock_mhz": (0,), "power_limit_w": (0, 350)}
    space = load_space("nvidia_gpu", domains=levels)
    assert space.size == 3 * 1 * 2
    seen = {
        tuple(sorted(space.arguments(c).hardware.items()))
        for c in space.decode(space.sample(200, np.random.default_rng(0)))
    }
    assert seen == {
        (),
        (("gpu_clock_mhz", 600),),
        (("gpu_clock_mhz", 1980),),
        (("power_limit_w", 350),),
        (("gpu_clock_mhz", 600), ("power_limit_w", 350)),
        (("gpu_clock_mhz", 1980), ("power_limit_w", 350)),
    }


def test_two_features_of_one_name_are_a_sentence():
    with pytest.raises(UserError, match="both have a feature '"):
        combine([load_model("vllm"), load_model("sglang")])
