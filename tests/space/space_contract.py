"""What everything that implements `Space` promises; subclass it and override `space`."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tuner.errors import UserError
from tuner.space import ENUMERABLE, INACTIVE, Configuration, Space

ROUNDS = 60


class SpaceContract:
    """Laws of `tuner.space.Space`.

    `consequences` is how many further decisions one change can make inert.
    """

    consequences = 0

    @pytest.fixture
    def space(self):
        raise NotImplementedError("override this fixture")

    @pytest.fixture
    def rng(self):
        return np.random.default_rng(0)

    def test_is_a_space(self, space):
        assert isinstance(space, Space)

    def test_parameters_are_named_once_and_parents_come_first(self, space):
        names = [p.name for p in space.parameters]
        assert len(set(names)) == len(names)
        for i, p in enumerate(space.parameters):
            if p.parent is not None:
                name, values = p.parent
                above = space.parameters[names.index(name)]
                assert names.index(name) < i
                assert values
                assert values < set(above.values)

    def test_domains_have_no_repeats_and_hold_the_default(self, space):
        for p in space.parameters:
            assert len(p.values) >= 1
            assert len(set(p.values)) == len(p.values)
            assert p.default in p.values

    def test_ordered_domains_ascend_between_0_and_1(self, space):
        for p in space.parameters:
            if p.kind == "ordered":
                assert list(p.values) == sorted(p.values)
                assert len(p.positions) == len(p.values)
                assert all(a < b for a, b in itertools.pairwise(p.positions))
                assert min(p.positions) >= 0
                assert max(p.positions) <= 1
            else:
                assert p.positions == ()

    def test_size_is_positive_and_rows_lists_every_configuration_once(self, space):
        assert space.size >= 1
        assert len(space) == min(space.size, 2**63 - 1)
        rows = space.rows()
        assert (rows is None) == (space.size > ENUMERABLE)
        if rows is not None:
            assert rows.shape == (space.size, len(space.parameters))
            assert space.is_valid(rows).all()
            assert len(np.unique(rows, axis=0)) == space.size

    def test_the_default_is_a_configuration(self, space):
        assert space.is_valid(space.encode([space.default])).all()

    @pytest.mark.parametrize("uniform", [False, True])
    def test_samples_are_valid_and_repeat_with_the_seed(self, space, uniform):
        codes = space.sample(200, np.random.default_rng(3), uniform=uniform)
        assert codes.shape == (200, len(space.parameters))
        assert codes.dtype == np.int32
        assert space.is_valid(codes).all()
        again = space.sample(200, np.random.default_rng(3), uniform=uniform)
        assert (codes == again).all()

    def test_a_parameter_is_inactive_exactly_where_its_parent_says(self, space, rng):
        codes = space.sample(200, rng)
        names = [p.name for p in space.parameters]
        for i, p in enumerate(space.parameters):
            active = np.ones(len(codes), dtype=bool)
            if p.parent is not None:
                name, values = p.parent
                above = names.index(name)
                on = [
                    k for k, value in enumerate(space.parameters[above].values) if value in values
                ]
                active = np.isin(codes[:, above], on)
            assert ((codes[:, i] != INACTIVE) == active).all()

    def test_decode_and_encode_undo_each_other(self, space, rng):
        codes = space.sample(ROUNDS, rng)
        configurations = space.decode(codes)
        assert all(isinstance(c, Configuration) for c in configurations)
        assert (space.encode(configurations) == codes).all()

    def test_equal_rows_and_equal_configurations_are_the_same_thing(self, space, rng):
        codes = space.sample(300, rng)
        configurations = space.decode(codes)
        assert len(set(configurations)) == len(np.unique(codes, axis=0))
        assert len({c.key for c in configurations}) == len(set(configurations))

    def test_encode_refuses_what_is_not_in_the_space(self, space):
        with pytest.raises(ValueError, match=r"."):
            space.encode([Configuration.of({"no such parameter": 1})])

    def test_out_of_range_codes_are_not_valid(self, space, rng):
        codes = space.sample(20, rng)
        for value in (-2, 10_000):
            wrong = codes.copy()
            wrong[:, 0] = value
            assert not space.is_valid(wrong).any()

    def test_mutation_gives_another_valid_row_and_leaves_its_input(self, space, rng):
        codes = space.sample(ROUNDS, rng)
        kept = codes.copy()
        for changes in (1, 3):
            mutated = space.mutate(codes, rng, changes=changes)
            assert mutated.shape == codes.shape
            assert space.is_valid(mutated).all()
        assert (codes == kept).all()
        if space.size > 1:
            assert (mutated != codes).any()

    def test_mutation_reaches_more_than_one_place(self, space, rng):
        if space.size > 20:
            start = np.repeat(space.encode([space.default]), 100, axis=0)
            assert len(np.unique(space.mutate(start, rng), axis=0)) > 2

    def test_neighbours_are_valid_others_one_decision_away(self, space, rng):
        for code in space.sample(10, rng):
            near = space.neighbours(code)
            assert near.shape == (len(near), len(space.parameters))
            assert space.is_valid(near).all()
            assert len(np.unique(near, axis=0)) == len(near)
            for row in near:
                changed = (row != code) & (row != INACTIVE) & (code != INACTIVE)
                assert 1 <= changed.sum() <= 1 + self.consequences

    def test_repair_keeps_what_is_valid(self, space, rng):
        codes = space.sample(ROUNDS, rng)
        assert (space.repair(codes) == codes).all()

    def test_repair_mends_anything(self, space, rng):
        sizes = [len(p.values) for p in space.parameters]
        garbage = rng.integers(-1, sizes, (ROUNDS, len(sizes))).astype(np.int32)
        assert space.is_valid(space.repair(garbage)).all()

    def test_configuration_takes_a_full_mapping_and_only_that_space_s_names(self, space, rng):
        for c in space.decode(space.sample(10, rng)):
            assert space.configuration(dict(c)) == c
        with pytest.raises(UserError, match="no such"):
            space.configuration({"no such parameter": 1})

    def test_nothing_given_is_the_default(self, space):
        assert space.configuration({}) == space.default

    def test_every_configuration_has_arguments(self, space, rng):
        for c in space.decode(space.sample(10, rng)):
            arguments = space.arguments(c)
            assert not set(arguments.load) & set(arguments.request)

    def test_distributions_hold_exactly_the_domain(self, space):
        distributions = space.distributions()
        assert list(distributions) == [p.name for p in space.parameters]
        for p in space.parameters:
            distribution = distributions[p.name]
            for value in p.values:
                inner = distribution.to_internal_repr(value)
                assert distribution.to_external_repr(inner) == pytest.approx(value)
            assert not distribution.single() or len(p.values) == 1

    def test_suggest_agrees_with_the_trial_and_is_valid(self, space, rng):
        import optuna

        for c in space.decode(space.sample(20, rng)):
            assert space.suggest(optuna.trial.FixedTrial(dict(c))) == c
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
        for _ in range(20):
            trial = study.ask()
            space.encode([space.suggest(trial)])
            study.tell(trial, 0.0)
