"""The rows of a table as a space: nothing but rows ever comes out of it."""

from __future__ import annotations

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.errors import UserError
from tuner.space import INACTIVE, Space, TableSpace, read_table

optuna.logging.set_verbosity(optuna.logging.WARNING)


@st.composite
def table_spaces(draw):
    rows = draw(
        st.lists(
            st.tuples(
                st.sampled_from(["a", "b", "c"]),
                st.sampled_from([1, 2, 4, 8, 16]),
                st.booleans(),
                st.sampled_from([0.0, 0.5, 1.0]),
            ),
            min_size=1,
            max_size=25,
        )
    )
    names = ("letter", "power", "switch", "share")
    return TableSpace({name: [row[i] for row in rows] for i, name in enumerate(names)})


@settings(max_examples=40, deadline=None)
@given(table_spaces(), st.integers(0, 2**32 - 1))
def test_everything_that_comes_out_is_a_row(space, seed):
    rng = np.random.default_rng(seed)
    assert isinstance(space, Space)
    assert len(space) == space.size == len(space.rows())
    sampled = space.sample(20, rng)
    nonsense = np.stack([rng.integers(0, len(p.values), 20) for p in space.parameters], 1)
    for codes in (
        sampled,
        space.mutate(sampled, rng, changes=2),
        space.neighbours(sampled[0]),
        space.repair(nonsense.astype(np.int32)),
    ):
        assert space.is_valid(codes).all()
    assert (space.repair(sampled) == sampled).all()
    assert (space.encode(space.decode(sampled)) == sampled).all()
    assert space.default in space.decode(space.rows())


@settings(max_examples=40, deadline=None)
@given(table_spaces(), st.integers(0, 2**32 - 1))
def test_a_seed_takes_some_row_for_the_default(space, seed):
    before = space.default
    other = space.starting_anywhere(seed)
    assert other.default == other.configuration({}) == space.starting_anywhere(seed).default
    assert other.default in space.decode(space.rows())
    assert (other.rows() == space.rows()).all()
    assert space.default == before


def test_seeds_take_different_rows_for_the_default():
    space = TableSpace({"a": [1, 2, 3, 4], "b": ["x", "x", "y", "y"]})
    taken = {space.starting_anywhere(seed).default["a"] for seed in range(50)}
    assert taken == {1, 2, 3, 4}


@settings(max_examples=40, deadline=None)
@given(table_spaces(), st.integers(0, 2**32 - 1))
def test_nearest_has_the_fewest_cells_that_differ(space, seed):
    rng = np.random.default_rng(seed)
    code = np.array([rng.integers(len(p.values)) for p in space.parameters], dtype=np.int32)
    among = rng.permutation(len(space))[: rng.integers(1, len(space) + 1)]
    different = (space.rows() != code).sum(1)
    assert space.nearest_row(code, among) in among
    assert different[space.nearest_row(code, among)] == different[among].min()
    assert different[space.nearest_row(code)] == different.min()
    assert (space.repair(code[None])[0] == space.rows()[space.nearest_row(code)]).all()


@settings(max_examples=40, deadline=None)
@given(table_spaces(), st.integers(0, 2**32 - 1))
def test_moves_change_something_unless_there_is_one_row(space, seed):
    rng = np.random.default_rng(seed)
    codes = space.sample(5, rng)
    changed = (space.mutate(codes, rng) != codes).any(1)
    assert changed.all() if len(space) > 1 else not changed.any()
    assert all((row != codes[0]).sum() == 1 for row in space.neighbours(codes[0]))


@settings(max_examples=25, deadline=None)
@given(table_spaces(), st.integers(0, 1000))
def test_any_optuna_sampler_gets_a_row_and_gets_the_same_one_again(space, seed):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    trial = study.ask()
    configuration = space.suggest(trial)
    assert space.is_valid(space.encode([configuration])).all()
    again = space.suggest(optuna.trial.FixedTrial(study.trials[-1].params))
    assert again == configuration
    exact = space.suggest(optuna.trial.FixedTrial(dict(configuration)))
    assert exact == configuration


def test_numbers_lie_on_the_scale_on_which_they_are_even():
    space = TableSpace({"batch": [1, 2, 4, 8], "beams": [1, 2, 3, 4]})
    batch, beams = space.parameters
    assert batch.positions == pytest.approx((0, 1 / 3, 2 / 3, 1))
    assert beams.positions == pytest.approx((0, 1 / 3, 2 / 3, 1))


def test_a_column_that_is_blank_where_another_has_a_value_is_conditional():
    space = TableSpace({"top_k": [5, 10, ""], "mode": ["sample", "sample", "greedy"]})
    assert [p.name for p in space.parameters] == ["mode", "top_k"]
    assert space.parameters[1].parent == ("mode", frozenset({"sample"}))
    greedy = space.configuration({"mode": "greedy"})
    assert "top_k" not in greedy
    assert space.encode([greedy])[0, 1] == INACTIVE


def test_repeated_rows_are_averaged_with_their_standard_error(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("x,y\n1,10\n2,30\n1,14\n")
    table = read_table(path, ["y"])
    assert table.values.tolist() == [[12.0], [30.0]]
    assert table.sems[0, 0] == pytest.approx(2.0)
    assert np.isnan(table.sems[1, 0])


@pytest.mark.parametrize(
    ("text", "objectives", "features", "word"),
    [
        ("x,y\n1,2\n", ["z"], None, "no column 'z'"),
        ("x,y\n1,abc\n", ["y"], None, "abc"),
        ("x,y\n1,inf\n", ["y"], None, "inf"),
        ("x,y\n", ["y"], None, "no rows"),
        ("x,y\n1\n", ["y"], None, "line 2"),
        ("x,y\n1,2\n", ["y"], ["y"], "both feature and objective"),
        ("y\n1\n", ["y"], None, "both feature and objective"),
    ],
)
def test_a_wrong_table_is_a_sentence(tmp_path, text, objectives, features, word):
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=word):
        read_table(path, objectives, features)


def test_a_missing_table_and_an_unknown_value_are_sentences(tmp_path):
    with pytest.raises(UserError, match="cannot read"):
        read_table(tmp_path / "none.csv", ["y"])
    space = TableSpace({"x": [1, 2]})
    with pytest.raises(UserError, match="no row"):
        space.configuration({"x": 3})
    with pytest.raises(UserError, match="no feature 'z'"):
        space.configuration({"z": 3})
