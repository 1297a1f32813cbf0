"""Pins as text, and what the machine fixes."""

from __future__ import annotations

import pytest

from tuner.errors import UserError
from tuner.features import read_uvl
from tuner.space import (
    SearchSpace,
    environment_domains,
    environment_pins,
    load_model,
    load_space,
    parse_pins,
    shipped_spaces,
)
from tuner.space import environment as machine
from tuner.space.environment import missing_in

MODEL = read_uvl("""
features
    Engine {engine 'no such engine'}
        mandatory
            Context {role 'context'}
                mandatory
                    Integer cpus {min 1, max 64, step 1, default 8}
                    Integer gpus {values [0, 1, 2, 4], default 0}
                optional
                    accelerator
                    flash_attn_installed
            Integer threads {values [1, 2, 4, 8], default 8}
            Real temperature {values [0.2, 0.7, 1.0]}
            String dtype {values ['float32', 'bfloat16']}
            mode
                alternative
                    Fast
                    Slow
                        optional
                            Integer delay {values [1, 2]}
        optional
            Old {until '2.4'}
            New {since '3.0'}
            Real rare {values [1.5, 2.5], fixed true}
constraints
    threads <= cpus
    Fast => threads > 1
""")


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("threads=4", "threads", 4),
        ("threads = 4.0", "threads", 4),
        ("temperature=1", "temperature", 1.0),
        ("temperature=7e-1", "temperature", 0.7),
        ("dtype=bfloat16", "dtype", "bfloat16"),
        ("Fast=false", "Fast", False),
        ("New=TRUE", "New", True),
        ("mode=Slow", "mode", "Slow"),
        ("delay=off", "delay", False),
    ],
)
def test_pins_are_read_in_the_model_s_own_types(text, name, value):
    found = parse_pins(MODEL, [text])
    assert found == {name: value}
    assert type(found[name]) is type(value)


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["threads"], "feature=value"),
        (["=4"], "feature=value"),
        (["threads="], "feature=value"),
        (["thread=4"], "did you mean threads"),
        (["threads=3"], "1, 2, 4, 8"),
        (["threads=many"], "1, 2, 4, 8"),
        (["dtype=bfloat"], "did you mean bfloat16"),
        (["mode=Fats"], "did you mean Fast"),
        (["New=4"], "true or false"),
        (["threads=1", "threads=2"], "given twice"),
    ],
)
def test_pins_that_mean_nothing_say_what_there_is(texts, words):
    with pytest.raises(UserError, match=words):
        parse_pins(MODEL, texts)


def test_the_same_pin_twice_is_one():
    assert parse_pins(MODEL, ["threads=1", "threads=1"]) == {"threads": 1}


def test_pins_take_values_of_a_replaced_domain():
    domains = {"dtype": ("auto", "int8")}
    assert parse_pins(MODEL, ["dtype=int8"], domains=domains) == {"dtype": "int8"}
    with pytest.raises(UserError, match="auto"):
        parse_pins(MODEL, ["dtype=float32"], domains=domains)


def test_contradicting_pins_are_named_with_the_rule_and_nothing_else():
    pins = parse_pins(MODEL, ["Fast=true", "threads=1", "dtype=float32"])
    with pytest.raises(UserError) as error:
        SearchSpace.from_model(MODEL, pins=pins)
    lines = str(error.value).splitlines()[1:]
    assert sorted(lines) == ["  - Fast => threads > 1", "  - Fast=true", "  - threads=1"]


def test_the_context_stays_as_it_is_unless_pinned():
    space = SearchSpace.from_model(MODEL)
    assert not {"cpus", "gpus", "accelerator", "use_rare"} & {p.name for p in space.parameters}
    assert SearchSpace.from_model(MODEL, pins={"cpus": 2}).default["threads"] == 2
    with pytest.raises(UserError, match="cpus=4"):
        SearchSpace.from_model(MODEL, pins={"threads": 8, "cpus": 4})


def test_what_is_fixed_can_be_asked_for_or_set_free():
    assert "rare" not in SearchSpace.from_model(MODEL).selection(
        SearchSpace.from_model(MODEL).default
    )
    pinned = SearchSpace.from_model(MODEL, pins={"rare": 2.5})
    assert pinned.arguments(pinned.default).request["rare"] == 2.5
    free = SearchSpace.from_model(MODEL, pins={"rare": True})
    assert [p.values for p in free.parameters if p.name == "rare"] == [(1.5, 2.5)]


def test_unknown_domains_are_refused():
    with pytest.raises(UserError, match="no values"):
        SearchSpace.from_model(MODEL, domains={"Fast": (1, 2)})
    with pytest.raises(UserError, match="did you mean dtype"):
        SearchSpace.from_model(MODEL, domains={"dtypes": ("a",)})


# --- the environment ----------------------------------------------------------------------------


def test_the_machine_is_probed_for_what_the_model_has(monkeypatch):
    monkeypatch.setattr(machine, "usable_cpus", lambda: 6)
    monkeypatch.setattr(machine, "_gpus", lambda: 3)
    monkeypatch.setattr(machine, "_installed", lambda package: package == "flash_attn")
    assert environment_pins(MODEL) == {
        "cpus": 6, "gpus": 2, "accelerator": True, "flash_attn_installed": True,
    }  # fmt: skip
    assert environment_domains(MODEL) == {"threads": (6, 1, 2, 4)}
    space = SearchSpace.from_model(
        MODEL, pins=environment_pins(MODEL), domains=environment_domains(MODEL)
    )
    assert space.default["threads"] == 6
    assert next(p.values for p in space.parameters if p.name == "threads") == (1, 2, 4, 6)


def test_a_model_without_context_is_pinned_nowhere():
    model = read_uvl("features\n    A\n        optional\n            B\n")
    assert environment_pins(model) == {}
    assert environment_domains(model) == {}


@pytest.mark.parametrize(
    ("version", "missing"),
    [("2.4", ["New"]), ("2.10", ["Old", "New"]), ("3.0", ["Old"]), ("3.0rc1", ["Old", "New"])],
)
def test_releases_without_a_feature_are_kept_from_it(version, missing):
    assert missing_in(MODEL, version) == missing


def test_this_machine_can_run_the_shipped_space():
    model = load_model("transformers")
    pins = environment_pins(model)
    assert pins["cpus"] >= 1
    assert not missing_in(model, "5.23.0")
    assert set(missing_in(model, "5.10.0")) == {"Fp8", "assistant_ensemble_weight", "max_cache_len"}
    space = SearchSpace.from_model(model, pins=pins, domains=environment_domains(model))
    assert space.default["threads"] == machine.usable_cpus() if pins["cpus"] > 1 else True


# --- shipped spaces -----------------------------------------------------------------------------


def test_shipped_spaces_load_by_name_and_by_path():
    assert {"transformers"} <= set(shipped_spaces())
    by_name, by_path = load_space("transformers"), load_space(shipped_spaces()["transformers"])
    assert by_name.size == by_path.size


@pytest.mark.parametrize(
    ("name", "words"),
    [("transfomers", "did you mean transformers"), ("nowhere/space.uvl", "nowhere/space.uvl")],
)
def test_missing_spaces_are_named(name, words):
    with pytest.raises(UserError, match=words):
        load_space(name)
