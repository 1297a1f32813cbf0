"""Two ways to count and to sample, which share no method, and one meaning of a configuration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from counting_contract import CountingContract

from tuner.features import Compiled, compile_model, heights, layout_of
from tuner.space import SearchSpace, load_model, pinned_model, shipped_spaces

MACHINES = {
    "llama_cpp": [{}, {"cpus": 2}, {"gpus": 2, "accelerator": True}],
    "nvidia_gpu": [{}, {"gpu_clock_mhz": False}],
    "openai": [{}],
    "sglang": [{}, {"gpus": 4, "fp8_hardware": True}],
    "transformers": [{}, {"accelerator": True, "search": "Beams"}, {"compilation": "NotCompiled"}],
    "transformers_serve": [{}, {"longest_request": 4096}],
    "vllm": [{}, {"gpus": 4, "mixture_of_experts": True}],
}


@dataclass
class Circuit:
    """The compiled feature model (d-DNNF)."""

    compiled: Compiled

    @property
    def count(self):
        return self.compiled.count

    @property
    def order(self):
        decisions = layout_of(self.compiled.model).decisions
        levels = heights(decisions)
        return [decisions[i].name for i in sorted(range(len(levels)), key=lambda i: -levels[i])]

    def every(self):
        return list(self.compiled.iterate())

    def draw(self, n, rng, *, uniform):
        rows = self.compiled.sample(n, rng, weighted=not uniform)
        return self.compiled.layout.configurations(rows)


@dataclass
class Elimination:
    """The search space (bucket elimination)."""

    space: SearchSpace

    @property
    def count(self):
        return self.space.size

    @property
    def order(self):
        return list(self.space.sampling_order)

    def every(self):
        return [self.space.selection(c) for c in self.space.decode(self.space.rows())]

    def draw(self, n, rng, *, uniform):
        codes = self.space.sample(n, rng, uniform=uniform)
        return [self.space.selection(c) for c in self.space.decode(codes)]


class TestCircuit(CountingContract):
    def backend(self, model, pins):
        return Circuit(compile_model(pinned_model(model, pins)))


class TestElimination(CountingContract):
    def backend(self, model, pins):
        return Elimination(SearchSpace.from_model(model, pins=pins))


@pytest.mark.parametrize(("name", "pins"), [(n, p) for n in MACHINES for p in MACHINES[n]])
def test_both_count_the_same_configurations_of_a_shipped_space(name, pins):
    model = load_model(name)
    space = SearchSpace.from_model(model, pins=pins)
    compiled = compile_model(pinned_model(model, pins))
    assert space.size == compiled.count
    codes = space.sample(50, np.random.default_rng(0))
    drawn = compiled.layout.configurations(compiled.sample(50, np.random.default_rng(0)))
    for configuration in [space.selection(c) for c in space.decode(codes)] + drawn:
        given = {name: configuration.get(name, False) for name in model.features}
        assert compiled.condition(given).count == 1


def test_every_shipped_space_is_counted_twice():
    assert sorted(MACHINES) == sorted(shipped_spaces())


@pytest.mark.parametrize("name", ["transformers", "openai"])
def test_both_draw_weighted_configurations_alike(name):
    """Each value of each decision has the same share, within five standard errors."""
    space = SearchSpace.from_model(load_model(name))
    compiled = compile_model(pinned_model(load_model(name)))
    n = 4000
    order = space.sampling_order
    ours = space.decode(space.sample(n, np.random.default_rng(1)))
    ours = [space.selection(c) for c in ours]
    rows = compiled.sample(n, np.random.default_rng(2), weighted=True, order=order)
    theirs = compiled.layout.configurations(rows)
    for feature in compiled.model.features:
        for value in compiled.model.features[feature].domain:
            a, b = (np.mean([c.get(feature) == value for c in some]) for some in (ours, theirs))
            assert abs(a - b) <= 5 * np.sqrt(max(a * (1 - a), 1 / n) * 2 / n), (feature, value)
