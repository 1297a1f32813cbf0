"""The first measurements: near a default that is known, spread where none is."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tuner.features import read_uvl
from tuner.search import Objective, ParetoSampler, initial_design
from tuner.space import INACTIVE, Knowledge, SearchSpace, TableSpace, load_space

OBJECTIVES = tuple(
    Objective.parse(text) for text in ("energy_j:min", "mean_e2el_ms:min", "accuracy:max")
)
SHIPPED = ("transformers", "transformers_serve", "vllm", "sglang", "llama_cpp", "openai")


def decided_otherwise(codes, default):
    """Decisions in which rows differ from the default; what they switch on or off is none."""
    return ((codes != default) & (default != INACTIVE) & (codes != INACTIVE)).sum(1)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", SHIPPED)
def test_it_begins_with_the_default_and_stays_near_it(name, seed):
    space = load_space(name)
    design = initial_design(space, 10, seed=seed, objectives=OBJECTIVES)
    assert space.decode(design[:1])[0] == space.default
    assert space.is_valid(design).all()
    assert len(np.unique(design, axis=0)) == 10
    assert (decided_otherwise(design, design[0]) <= 3).all()
    assert (initial_design(space, 10, seed=seed, objectives=OBJECTIVES) == design).all()
    assert (initial_design(space, 6, seed=seed, objectives=OBJECTIVES) == design[:6]).all()


@pytest.mark.parametrize("name", SHIPPED)
def test_it_changes_most_decisions_that_the_default_leaves_to_be_changed(name):
    space = load_space(name)
    design = initial_design(space, 10, seed=0, objectives=OBJECTIVES)
    active = design[0] != INACTIVE
    changed = ((design != design[0]) & active).any(0).sum()
    assert changed >= min(0.6 * active.sum(), 15)


def test_all_values_are_covered_where_there_is_room():
    text = """features
    R {abstract}
        mandatory
            Integer a {values [1, 2, 3]}
            String b {values ['x', 'y', 'z']}
            c
                alternative
                    C1
                    C2
        optional
            d
"""
    space = SearchSpace.from_model(read_uvl(text))
    design = initial_design(space, 8, seed=0)
    for j, parameter in enumerate(space.parameters):
        assert set(design[:, j].tolist()) >= set(range(len(parameter.values)))


@pytest.mark.parametrize("seed", range(5))
def test_greedy_decoding_in_larger_batches_is_among_the_first_five(seed):
    space = load_space("transformers", pins={"cpus": 2, "model": "builtin:large"})
    design = initial_design(space, 10, seed=seed, objectives=OBJECTIVES, cost_aware=True)
    first = space.decode(design[:5])
    assert any(c["batch_size"] >= 16 and c["token_choice"] == "Greedy" for c in first)
    energy = np.exp(Knowledge.of(space, "energy").total(design[:5]))
    assert (energy[1:] < 1.2).all()


def test_what_is_expected_to_be_slow_comes_late_where_time_counts():
    text = """features
    R {abstract}
        mandatory
            Integer a {values [1, 2, 4, 8], default 2, expect 'energy ^3'}
            String b {values ['x', 'y', 'z'], expect 'y: energy *20'}
            String c {values ['x', 'y', 'z']}
            String d {values ['x', 'y', 'z']}
"""
    space = SearchSpace.from_model(read_uvl(text))
    design = initial_design(space, 5, objectives=OBJECTIVES[1:], cost_aware=True)
    assert (Knowledge.of(space, "energy").total(design) <= 0).all()


def test_a_tiny_space_is_designed_whole():
    text = "features\n    R {abstract}\n        optional\n            a\n"
    space = SearchSpace.from_model(read_uvl(text))
    assert len(initial_design(space, 3)) == 2
    alone = SearchSpace.from_model(read_uvl("features\n    R {abstract}\n"))
    assert len(initial_design(alone, 3)) == 1
    assert len(ParetoSampler(alone, OBJECTIVES).propose([])) == 1


@pytest.fixture(scope="module")
def table():
    rows = list(itertools.product("abc", (1, 2, 4, 8, 16), (1, 2, 3, 4), ("greedy", "sample")))
    names = ("model", "batch", "beams", "mode")
    return TableSpace({name: [row[i] for row in rows] for i, name in enumerate(names)})


def test_in_a_table_it_is_spread_begins_with_the_default_and_grows_at_its_end(table):
    design = initial_design(table, 10, seed=0)
    assert table.decode(design[:1])[0] == table.default
    assert len(np.unique(design, axis=0)) == 10
    assert (initial_design(table, 6, seed=0) == design[:6]).all()
    for j, parameter in enumerate(table.parameters):
        seen = set(design[:, j].tolist())
        assert len(seen) >= min(len(parameter.values), 2 if parameter.kind == "ordered" else 4)


def test_in_a_table_numbers_keep_away_from_the_ends_of_their_ranges():
    numbers = list(itertools.product(range(1, 8), range(1, 8), range(1, 8)))
    table = TableSpace({name: [row[i] for row in numbers] for i, name in enumerate("abc")})
    design = initial_design(table, 10, seed=0)
    assert len(np.unique(design, axis=0)) == 10
    assert np.isin(design[1:], (0, 6)).mean() <= 0.5


def test_rows_of_a_space_that_knows_its_default_stay_near_it():
    space = load_space("transformers", pins={"cpus": 2})
    rng = np.random.default_rng(0)
    default = space.encode([space.default])
    near = space.mutate(np.repeat(default, 60, axis=0), rng, changes=2)
    rows = TableSpace.among(space, np.concatenate([default, near, space.sample(60, rng)]))
    assert rows.default == space.default
    assert rows.knows_default
    assert not rows.starting_anywhere(0).knows_default
    design = initial_design(rows, 8, objectives=OBJECTIVES)
    assert rows.is_valid(design).all()
    assert (decided_otherwise(design, design[0]) <= 3).all()
    without = TableSpace.among(space, near[(near != default).any(1)])
    assert not without.knows_default
