"""The search space of a feature model: its contract, and brute force on generated models."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from feature_oracle import configurations, key, random_text
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from space_contract import SpaceContract

from tuner.errors import UserError
from tuner.features import ColumnLayout, Rules, read_uvl
from tuner.space import SearchSpace, load_space

SERVER = """
features
    Server {role 'load'}
        mandatory
            Integer gpus {values [1, 2, 4, 8], default 4, role 'context'}
            Integer ulysses {values [1, 2, 4, 8]}
            Integer ring {values [1, 2, 4, 8], default 4}
            Integer max_num_seqs {values [8, 32, 128, 512], log true, default 32}
            Integer max_num_batched_tokens {values [16, 64, 256, 1024], log true, default 256}
            Real memory {min 0.5, max 0.9, step 0.1, default 0.9, role 'request'}
            graphs {default 'Piecewise'}
                alternative
                    Eager {arg 'enforce_eager', value true}
                    Piecewise
                    Full
        optional
            Integer chunk {values [32, 64], inert 'Eager'}
            speculative {inert 'max_num_seqs > 100'}
                alternative
                    Ngram
                        mandatory
                            Integer lookup {values [2, 3, 4], default 3}
                    Draft
        or
            A
            B
            C
constraints
    // The parts make up the whole.
    ulysses * ring == gpus
    max_num_batched_tokens >= max_num_seqs
    A => !Eager
"""


class TestSmallServer(SpaceContract):
    consequences = 2

    @pytest.fixture(scope="class")
    @classmethod
    def space(cls):
        return SearchSpace.from_model(read_uvl(SERVER))


class TestTransformers(SpaceContract):
    @pytest.fixture(scope="class")
    @classmethod
    def space(cls):
        return load_space("transformers")


class TestAcceleratedTransformers(SpaceContract):
    consequences = 1

    @pytest.fixture(scope="class")
    @classmethod
    def space(cls):
        names = ("accelerator", "flash_attn_installed", "quanto_installed", "hqq_installed")
        return load_space("transformers", pins=dict.fromkeys(names, True))


class TestVllm(SpaceContract):
    consequences = 1  # without graphs there is nothing to record finely

    @pytest.fixture(scope="class")
    @classmethod
    def space(cls):
        pins = {"gpus": 8, "fp8_hardware": True, "mixture_of_experts": True}
        return load_space("vllm", pins=pins)


class TestTransformersServe(SpaceContract):
    consequences = 4  # continuous batching does without what single requests have

    @pytest.fixture(scope="class")
    @classmethod
    def space(cls):
        return load_space("transformers_serve", pins={"accelerator": True})


class TestSglang(SpaceContract):
    consequences = 4  # plain attention is never recorded, in four ways

    @pytest.fixture(scope="class")
    @classmethod
    def space(cls):
        pins = {"gpus": 4, "fp8_hardware": True, "draft_model_available": True}
        return load_space("sglang", pins=pins)


class TestLlamaCpp(SpaceContract):
    consequences = 1  # one slot waits for no other

    @pytest.fixture(scope="class")
    @classmethod
    def space(cls):
        return load_space("llama_cpp", pins={"cpus": 16})


@pytest.fixture(scope="module")
def server():
    return SearchSpace.from_model(read_uvl(SERVER))


# --- against brute force ------------------------------------------------------------------------


def compare(model):
    """The space has exactly the valid configurations, and its moves stay among them."""
    expected = {key(c) for c in configurations(model)}
    if not expected:
        with pytest.raises(UserError):
            SearchSpace.from_model(model)
        return
    space = SearchSpace.from_model(model)
    assert space.size == len(expected)
    rows = space.rows()
    assert {key(space.selection(c)) for c in space.decode(rows)} == expected
    rng = np.random.default_rng(0)
    every = {tuple(row) for row in rows.tolist()}
    for codes in (
        space.sample(50, rng),
        space.sample(50, rng, uniform=True),
        space.mutate(space.sample(20, rng), rng),
        space.repair(rng.integers(-1, 4, (20, rows.shape[1])).astype(np.int32)),
        space.neighbours(rows[len(rows) // 2]),
    ):
        assert {tuple(row) for row in codes.tolist()} <= every
    anything = rng.integers(-1, 4, (200, rows.shape[1])).astype(np.int32)
    wanted = np.array([tuple(row) in every for row in anything.tolist()], dtype=bool)
    assert (space.is_valid(anything) == wanted).all()


@given(st.integers(0, 10**6))
@settings(max_examples=150, deadline=None)
def test_has_exactly_the_valid_configurations_of_generated_models(seed):
    compare(read_uvl(random_text(seed, features=7)))


@given(st.integers(0, 10**6))
@settings(max_examples=100, deadline=None)
def test_has_exactly_the_canonical_configurations_of_generated_models(seed):
    compare(read_uvl(random_text(seed, features=7, inert=True)))


@given(st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_repair_finds_a_nearest_configuration(seed):
    model = read_uvl(random_text(seed, features=7))
    assume(configurations(model))
    space = SearchSpace.from_model(model)
    rng = np.random.default_rng(seed)
    rows = space.rows()
    sizes = [len(p.values) for p in space.parameters]
    assume(sizes)
    for wish in space.completed(rng.integers(0, sizes, (5, len(sizes))).astype(np.int32)):
        found = space.repair(wish[None])[0]

        def changes(row, wish=wish):
            return ((row != wish) & (row != -1) & (wish != -1)).sum()

        assert changes(found) == min(changes(row) for row in rows)


SHARED = Path(os.environ.get("TUNER_SHARED", Path(__file__).parents[2] / "../shared"))


@pytest.mark.parametrize(
    ("name", "count"),
    [
        pytest.param("pc_richmond", 554424990964054425600, marks=pytest.mark.slow),
        ("uclibc", 16601881363009992107753731518030151680000),
    ],
)
def test_counts_public_models_exactly_and_draws_from_them(name, count):
    path = SHARED / "models" / f"{name}.uvl"
    if not path.is_file():
        pytest.skip(f"needs {path}")
    space = SearchSpace.from_model(read_uvl(path))
    assert space.size == count
    rows = space.sample(200, np.random.default_rng(0), uniform=True)
    assert (
        Rules(space.model)
        .valid(
            ColumnLayout(space.model).rows([space.selection(c) for c in space.decode(rows[:50])])
        )
        .all()
    )
    assert len(np.unique(rows, axis=0)) == 200


# --- what a reader of the model relies on -------------------------------------------------------


def test_arithmetic_between_numbers_holds_in_every_sample(server):
    rng = np.random.default_rng(0)
    for uniform in (False, True):
        for c in server.decode(server.sample(500, rng, uniform=uniform)):
            assert c["ulysses"] * c["ring"] == 4
            assert c["max_num_batched_tokens"] >= c["max_num_seqs"]


def test_mutation_gets_past_parameters_that_only_change_together(server):
    start = np.repeat(server.encode([server.default]), 300, axis=0)
    moved = server.decode(server.mutate(start, np.random.default_rng(0)))
    assert {(c["ulysses"], c["ring"]) for c in moved} == {(1, 4), (2, 2), (4, 1)}


def test_weighted_samples_give_each_alternative_its_share():
    space = load_space("transformers")
    rng = np.random.default_rng(0)

    def share(uniform):
        rows = space.decode(space.sample(2000, rng, uniform=uniform))
        return sum(c["token_choice"] == "Greedy" for c in rows) / len(rows)

    assert share(uniform=True) < 0.05
    assert 0.4 < share(uniform=False) < 0.6


def test_every_weighted_alternative_of_the_search_occurs_often():
    space = load_space("transformers")
    rows = space.decode(space.sample(2000, np.random.default_rng(0)))
    for parameter in space.parameters:
        if parameter.parent is None and parameter.kind == "categorical":
            for value in parameter.values:
                assert sum(c[parameter.name] == value for c in rows) > 50, (parameter.name, value)


def test_inert_choices_are_written_but_count_once(server):
    plain = server.configuration({"graphs": "Eager"})
    assert server.configuration({"graphs": "Eager", "use_chunk": True, "chunk": 64}) == plain
    assert server.configuration({"max_num_seqs": 512, "lookup": 4}) == server.configuration(
        {"max_num_seqs": 512}
    )
    for c in server.decode(server.sample(500, np.random.default_rng(0))):
        assert not (c["graphs"] == "Eager" and c["use_chunk"])
        assert not (c["max_num_seqs"] > 100 and c["use_speculative"])


def test_given_values_bring_what_they_need(server):
    found = server.configuration({"lookup": 4})
    assert (found["use_speculative"], found["speculative"], found["lookup"]) == (True, "Ngram", 4)
    assert server.configuration({"ulysses": 2})["ring"] == 2


def test_a_refused_configuration_names_the_rule_and_the_values(server):
    with pytest.raises(UserError) as error:
        server.configuration({"ulysses": 4, "ring": 4})
    text = str(error.value)
    assert "ulysses * ring == gpus" in text
    assert "The parts make up the whole." in text
    assert "ulysses=4" in text
    assert "ring=4" in text
    assert "max_num_seqs" not in text


@pytest.mark.parametrize(
    ("values", "words"),
    [({"ring": 3}, "1, 2, 4"), ({"rimg": 1}, "did you mean ring"), ({"A": "yes"}, "false, true")],
)
def test_unknown_names_and_values_say_what_there_is(server, values, words):
    with pytest.raises(UserError, match=words):
        server.configuration(values)


def test_the_default_is_what_the_model_says(server):
    default = server.default
    assert default["graphs"] == "Piecewise"
    assert default["ring"] == 4
    assert default["use_chunk"] is False
    assert default["A"] is True  # an or-group needs one: the first


def test_arguments_by_their_roles(server):
    c = server.configuration({"graphs": "Eager", "lookup": 2, "A": False, "B": True})
    arguments = server.arguments(c)
    assert arguments.load["enforce_eager"] is True
    assert arguments.load["lookup"] == 2
    assert arguments.request == {"memory": 0.9}
    assert "gpus" not in {**arguments.load, **arguments.harness}
    assert "enforce_eager" not in server.arguments(server.default).load


def test_values_keep_their_types(server):
    for c in server.decode(server.sample(50, np.random.default_rng(1))):
        assert type(c["ring"]) is int
        assert type(c["memory"]) is float
        assert type(c["use_chunk"]) is bool


def test_distributions_are_numeric_only_where_the_domain_is_evenly_spaced(server):
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    found = server.distributions()
    assert found["memory"] == FloatDistribution(0.5, 0.9, step=0.1)
    assert found["max_num_seqs"] == CategoricalDistribution((8, 32, 128, 512))
    assert found["chunk"] == IntDistribution(32, 64, step=32)
    assert found["A"] == CategoricalDistribution((False, True))


# --- pins and domains ---------------------------------------------------------------------------


def test_pins_hold_everywhere_and_constants_are_still_told():
    space = SearchSpace.from_model(
        read_uvl(SERVER), pins={"ring": 2, "Draft": False, "Eager": True}
    )
    names = {p.name for p in space.parameters}
    assert not {"ring", "ulysses", "graphs", "speculative"} & names
    arguments = space.arguments(space.default)
    assert arguments.load["ring"] == 2
    assert arguments.load["ulysses"] == 2
    assert arguments.load["enforce_eager"] is True
    for c in space.decode(space.sample(100, np.random.default_rng(0))):
        assert space.selection(c)["ring"] == 2


def test_a_pinned_context_decides_what_is_possible():
    space = SearchSpace.from_model(read_uvl(SERVER), pins={"gpus": 1})
    assert space.arguments(space.default).load["ring"] == 1
    assert "ring" not in {p.name for p in space.parameters}


def test_the_pins_of_the_whole_space_are_a_partition(server):
    parts = [
        SearchSpace.from_model(read_uvl(SERVER), pins={"graphs": child}).size
        for child in ("Eager", "Piecewise", "Full")
    ]
    assert sum(parts) == server.size


def test_a_pin_of_a_conditional_value_selects_what_it_needs():
    space = SearchSpace.from_model(read_uvl(SERVER), pins={"lookup": 3})
    for c in space.decode(space.sample(50, np.random.default_rng(0))):
        assert space.selection(c)["Ngram"] is True


def test_domains_replace_values_and_their_first_is_the_default():
    space = SearchSpace.from_model(read_uvl(SERVER), domains={"memory": (0.8, 0.2, 0.4)})
    (memory,) = (p for p in space.parameters if p.name == "memory")
    assert memory.values == (0.2, 0.4, 0.8)
    assert memory.default == 0.8
    assert space.default["memory"] == 0.8


def test_contradicting_pins_name_themselves_and_the_constraint():
    with pytest.raises(UserError) as error:
        SearchSpace.from_model(read_uvl(SERVER), pins={"Eager": True, "A": True, "ring": 4})
    text = str(error.value)
    assert "A => !Eager" in text
    assert "A=true" in text
    assert "Eager=true" in text
    assert "ring" not in text


def test_what_the_pins_make_the_only_way_is_what_inert_choices_amount_to():
    # `chunk` can't be deselected any more: while it is inert it stays at the one value left.
    space = SearchSpace.from_model(read_uvl(SERVER), pins={"chunk": 64})
    assert space.is_valid(space.sample(100, np.random.default_rng(0))).all()
    assert space.selection(space.default)["chunk"] == 64


def test_a_model_with_one_configuration_is_a_space_without_parameters():
    space = SearchSpace.from_model(read_uvl("features\n    A\n        mandatory\n            B\n"))
    assert (space.size, space.parameters) == (1, ())
    assert space.rows().shape == (1, 0)
    assert space.sample(3, np.random.default_rng(0)).shape == (3, 0)
    assert space.selection(space.default) == {"A": True, "B": True}
