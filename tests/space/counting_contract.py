"""What everything that counts configurations promises; subclass it and override `backend`."""

from __future__ import annotations

import numpy as np
import pytest
from feature_oracle import configurations, key, random_text, sequential_probabilities
from scipy.stats import chi2

from tuner.features import layout_of, read_uvl
from tuner.space import pinned_model

DRAWS = 4000

SMALL = """
features
    Server
        mandatory
            Integer gpus {values [1, 2, 4], default 2, role 'context'}
            Integer parts {values [1, 2, 4]}
            mode
                alternative
                    Plain
                    Drafts
                        mandatory
                            Integer tokens {values [2, 3, 4], default 3}
        optional
            Graphs
            Integer chunk {values [32, 64, 128], inert 'Drafts'}
constraints
    parts <= gpus
    Graphs => Plain
"""
PINNED = [
    {},
    {"gpus": 4},
    {"mode": "Drafts"},
    {"chunk": True},  # inert, and can't be deselected: amounts to its default
    {"chunk": 128, "Graphs": False},  # nor does it have its default any more
]


class CountingContract:
    """Laws of counting and sampling, of a feature model with its pins.

    What is inert counts once; the oracle counts `pinned_model` by brute force.
    """

    def backend(self, model, pins):
        """An object with `count`, `every()`, `order` and `draw(n, rng, uniform)`."""
        raise NotImplementedError

    @pytest.mark.parametrize("pins", PINNED)
    def test_counts_and_lists_the_canonical_configurations(self, pins):
        backend = self.backend(read_uvl(SMALL), pins)
        expected = configurations(pinned_model(read_uvl(SMALL), pins))
        assert backend.count == len(expected)
        assert sorted(map(key, backend.every())) == sorted(map(key, expected))

    @pytest.mark.parametrize("seed", range(150))
    def test_counts_and_lists_those_of_generated_models(self, seed):
        model = read_uvl(random_text(seed, features=7, inert=True))
        expected = configurations(model)
        if expected:
            backend = self.backend(model, {})
            assert backend.count == len(expected)
            assert sorted(map(key, backend.every())) == sorted(map(key, expected))

    @pytest.mark.parametrize("pins", PINNED)
    def test_uniform_draws_have_every_configuration_equally_often(self, pins):
        backend = self.backend(read_uvl(SMALL), pins)
        every = backend.every()
        drawn = backend.draw(DRAWS, np.random.default_rng(1), uniform=True)
        assert plausible(drawn, every, np.full(len(every), 1 / len(every)))

    @pytest.mark.parametrize("pins", PINNED)
    def test_weighted_draws_decide_one_after_another(self, pins):
        model = pinned_model(read_uvl(SMALL), pins)
        backend = self.backend(read_uvl(SMALL), pins)
        every = backend.every()
        rest = [d.name for d in layout_of(model).decisions if d.name not in backend.order]
        expected = sequential_probabilities(model, every, [*backend.order, *rest])
        drawn = backend.draw(DRAWS, np.random.default_rng(2), uniform=False)
        assert plausible(drawn, every, expected)


def plausible(drawn, every, probabilities) -> bool:
    """Whether draws are as often as their probabilities say, by a chi-square test."""
    index = {key(c): i for i, c in enumerate(every)}
    found = np.bincount([index[key(c)] for c in drawn], minlength=len(every))
    if len(every) == 1:
        return bool(found[0] == len(drawn))
    expected = len(drawn) * probabilities
    return bool(chi2.sf(((found - expected) ** 2 / expected).sum(), len(every) - 1) > 0.001)
