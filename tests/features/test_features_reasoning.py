"""Every answer about a feature model against brute force on generated models, and known answers."""

from __future__ import annotations

import os
import random
from collections import Counter
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from feature_oracle import configurations, key, random_text, tree

from tuner.features import (
    ModelError,
    Rules,
    Solver,
    atomic_sets,
    changes,
    compile_model,
    complete,
    consequences,
    core,
    dead,
    dead_values,
    default_configuration,
    diff,
    evaluate,
    explain,
    false_optional,
    nearest_configuration,
    parse_pins,
    read_uvl,
    selections,
    wished,
)
from tuner.features import _ddnnf as circuits
from tuner.features import _diagrams as tables

SHARED = Path(os.environ.get("TUNER_SHARED", Path(__file__).parents[3] / "shared"))


def generated(seed: int, **options):
    options = {"features": 5 + seed % 6, "constraints": 2 + seed % 2, **options}
    return read_uvl(random_text(seed, inert=seed % 3 == 0, **options))


def agree(model) -> None:
    """The compiled form lists exactly what brute force finds, and the rules accept just that."""
    expected = configurations(model)
    compiled = compile_model(model)
    assert compiled.count == len(expected)
    rows = compiled.rows()
    found = compiled.layout.configurations(rows)
    assert sorted(map(key, found)) == sorted(map(key, expected))
    rules = Rules(model)
    every = tree(model.root)
    accepted = rules.valid(rules.layout.rows(every))
    assert sorted(key(c) for c, ok in zip(every, accepted, strict=True) if ok) == sorted(
        map(key, expected)
    )


@pytest.mark.parametrize("block", range(8))
def test_counts_and_configurations_are_those_of_brute_force(block):
    for seed in range(50 * block, 50 * block + 50):
        agree(generated(seed))


@pytest.mark.slow
@pytest.mark.parametrize("block", range(20))
def test_thousands_of_models_agree_with_brute_force(block):
    for seed in range(10_000 + 200 * block, 10_200 + 200 * block):
        agree(generated(seed, features=6 + seed % 5))


def test_groups_that_are_written_down_without_search_give_the_same_counts(monkeypatch):
    monkeypatch.setattr(circuits, "LONG", 1)
    for seed in range(200):
        agree(generated(seed, boolean=seed % 2 == 0, constraints=seed % 3))
    tree = "features\n  A\n    [0..1]\n      B\n      C\n    optional\n      D\nconstraints\n"
    for constraint in (
        "B | C | D",
        "!B | !C | !D",
        "B | C",
        "B | !C",
        "!B | !C",
        "B | D",
        "C | !D",
    ):
        agree(read_uvl(f"{tree}  {constraint}\n"))


@pytest.mark.parametrize(
    ("kind", "count"),
    [("optional", 2**3000), ("or", 2**3000 - 1), ("alternative", 3000), ("[0..1]", 3001)],
    ids=["optional", "or", "alternative", "at most one"],
)
def test_thousands_of_children_are_counted_and_drawn(kind, count):
    leaves = "".join(f"      F{i}\n" for i in range(3000))
    compiled = compile_model(read_uvl(f"features\n  A\n    {kind}\n{leaves}"))
    assert compiled.count == count
    shares = compiled.commonality()
    assert shares["A"] == 1
    assert shares["F0"] == shares["F2999"]
    rng = np.random.default_rng(0)
    for weighted in (False, True):
        rows = compiled.sample(5, rng, weighted=weighted)
        assert Rules(compiled.model).valid(rows).all()


def test_sums_that_are_followed_term_by_term_give_the_same_counts(monkeypatch):
    monkeypatch.setattr(tables, "LARGEST_TABLE", 30)
    counted = 0
    for seed in range(200):
        model = generated(seed)
        try:
            agree(model)
        except ModelError as error:
            assert "combinations of values" in str(error)  # noqa: PT017
        else:
            counted += 1
    assert counted > 100


@pytest.mark.parametrize("options", [{}, {"boolean": True, "features": 10, "constraints": 1}])
def test_core_dead_and_atomic_are_those_of_brute_force(options):
    for seed in range(150):
        model = generated(seed, **options)
        valid = configurations(model, canonical=False)
        solver = Solver(model)
        assert solver.satisfiable() == bool(valid)
        names = set(model.features)
        assert set(dead(solver)) == {n for n in names if not any(n in c for c in valid)}
        if not valid:
            with pytest.raises(ModelError, match="no valid configuration"):
                core(solver)
            continue
        assert set(core(solver)) == {n for n in names if all(n in c for c in valid)}
        together: dict[tuple, set] = {}
        for name in names - set(dead(solver)):
            together.setdefault(tuple(name in c for c in valid), set()).add(name)
        assert sorted(map(sorted, atomic_sets(solver))) == sorted(map(sorted, together.values()))
        assert set(false_optional(solver)) == {
            name
            for name, (parent, group) in model.parent_groups.items()
            if group.lower < len(group.features)
            and any(name in c for c in valid)
            and all(name in c for c in valid if parent.name in c)
        }
        never = {
            n: tuple(v for v in f.domain if not any(c.get(n) == v for c in valid))
            for n, f in model.features.items()
            if f.typed and n not in dead(solver)
        }
        assert dead_values(solver) == {n: values for n, values in never.items() if values}


def test_shares_and_conditional_counts_are_those_of_brute_force():
    for seed in range(150):
        model = generated(seed)
        valid = configurations(model)
        if not valid:
            continue
        compiled = compile_model(model)
        shares = compiled.commonality()
        for name, feature in model.features.items():
            assert shares[name] == Fraction(sum(name in c for c in valid), len(valid))
            assert compiled.value_counts(name) == tuple(
                sum(c.get(name) == value for c in valid) for value in feature.domain
            )
            given = compiled.condition({name: False})
            assert given.count == sum(name not in c for c in valid)
            given = compiled.condition({name: feature.domain[-1]})
            kept = [c for c in valid if c.get(name) == feature.domain[-1]]
            assert sorted(map(key, given.layout.configurations(given.rows()))) == sorted(
                map(key, kept)
            )


def fits(configuration, choices) -> bool:
    return all(
        (name in configuration) == (value is not False)
        and (value in (True, False) or configuration[name] == value)
        for name, value in choices.items()
    )


def some_choices(model, seed, n=2) -> dict:
    chance = random.Random(seed)
    names = chance.sample(sorted(model.features), min(n, len(model.features)))
    return {
        name: chance.choice([False, chance.choice(model.features[name].domain)]) for name in names
    }


def test_consequences_are_those_of_brute_force():
    for seed in range(150):
        model = generated(seed)
        choices = some_choices(model, seed)
        left = [c for c in configurations(model, canonical=False) if fits(c, choices)]
        if not left:
            with pytest.raises(ModelError):
                consequences(Solver(model), choices)
            continue
        found = consequences(Solver(model), choices)
        assert set(found.selected) == {n for n in model.features if all(n in c for c in left)}
        assert set(found.deselected) == {n for n in model.features if not any(n in c for c in left)}
        for name, values in found.values.items():
            assert set(values) == {c[name] for c in left}


def test_an_explanation_contradicts_and_no_smaller_one_does():
    explained = 0
    for seed in range(150):
        model = generated(seed)
        choices = some_choices(model, seed, 3)
        every = tree(model.root)
        possible = any(fits(c, choices) for c in configurations(model, canonical=False))
        causes = explain(Solver(model), choices)
        assert bool(causes) == (not possible)
        if not causes:
            continue
        explained += 1
        rules = Rules(model)
        rows = rules.layout.columns(rules.layout.rows(every))
        truth = {
            rule.text: np.broadcast_to(rule.condition(rows), len(every))
            for rule in rules.constraints
        }
        for name, value in choices.items():
            shown = str(value).lower() if isinstance(value, bool) else str(value)
            truth[f"{name}={shown}"] = np.array([fits(c, {name: value}) for c in every])
        used = [truth[cause.text] for cause in causes if cause.kind != "tree"]
        assert not np.logical_and.reduce([*used, np.ones(len(every), bool)]).any()
        for i in range(len(used)):
            rest = used[:i] + used[i + 1 :]
            assert np.logical_and.reduce([*rest, np.ones(len(every), bool)]).any()
    assert explained > 30


def distance(a, b) -> int:
    return len(changes(a, b))


def test_a_repaired_configuration_is_valid_and_as_near_as_can_be():
    for seed in range(100):
        model = generated(seed)
        valid = configurations(model, canonical=False)
        if not valid:
            continue
        wanted = random.Random(seed).choice(tree(model.root))
        found = nearest_configuration(Solver(model), wanted)
        assert evaluate(model, found)
        assert distance(wanted, found) == min(distance(wanted, c) for c in valid)
        if evaluate(model, wanted):
            assert found == wanted


def test_the_completion_keeps_the_choices():
    for seed in range(60):
        model = generated(seed)
        choices = some_choices(model, seed)
        if any(fits(c, choices) for c in configurations(model, canonical=False)):
            found = complete(Solver(model), choices)
            assert fits(found, choices)
            assert evaluate(model, found)
        else:
            with pytest.raises(ModelError, match="no valid"):
                complete(Solver(model), choices)


KNOWN = {
    "pc_richmond": (364, 9, 0, 554424990964054425600),
    "tankwar": (144, 8, 0, 4213417192067818800),
    "uclibc": (313, 44, 31, 16601881363009992107753731518030151680000),
    "busybox_1.18.0": (
        854,
        23,
        18,
        int(
            "206113851935678176067061880565375016734928799133659587637354219899073465348"
            "971323944903204966419949430145419933600005038245745112389482188647227823484"
            "9758979132037884598159833615564800000000000000000000"
        ),
    ),
}


@pytest.mark.parametrize("name", KNOWN)
def test_public_models_have_their_known_answers(name):
    path = SHARED / "models" / f"{name}.uvl"
    if not path.is_file():
        pytest.skip("needs ../shared/models")
    model = read_uvl(path)
    features, n_core, n_dead, count = KNOWN[name]
    compiled = compile_model(model)
    assert (len(model.features), compiled.count) == (features, count)
    solver = Solver(model)
    assert (len(core(solver)), len(dead(solver))) == (n_core, n_dead)
    shares = compiled.commonality()
    assert {n for n, share in shares.items() if share == 1} == set(core(solver))
    assert {n for n, share in shares.items() if share == 0} == set(dead(solver))
    rows = compiled.sample(200, np.random.default_rng(0))
    assert Rules(model).valid(rows).all()


SMALL = """features
    Engine
        mandatory
            Decoding
                alternative
                    Greedy
                    Sampling
                        mandatory
                            Real heat {values [0.5, 1.0, 1.5], default 1.0}
                    Beams
                        mandatory
                            Integer beams {values [2, 4, 8], default 4}
        optional
            Cache
            Integer batch {values [1, 2, 4, 8, 16], default 1}
constraints
    Beams & batch => beams * batch <= 32
"""


def test_explanations_speak_the_words_of_the_model():
    model = read_uvl(SMALL)
    causes = explain(Solver(model), parse_pins(model, ["beams=8", "batch=16", "Cache=true"]))
    assert [c.text for c in causes if c.kind == "constraint"] == [
        "Beams & batch => beams * batch <= 32"
    ]
    assert [c.text for c in causes if c.kind == "choice"] == ["beams=8", "batch=16"]
    assert causes[0].constraint.line == 17
    assert explain(Solver(model), {"Beams": True}) == ()


def test_choices_are_read_as_a_person_writes_them():
    model = read_uvl(SMALL)
    pins = parse_pins(model, ["heat=0.5", "Decoding=Beams", "Cache=no"])
    assert pins == {"heat": 0.5, "Decoding": "Beams", "Cache": False}
    assert selections(model, pins) == {"heat": 0.5, "Beams": True, "Cache": False}
    assert parse_pins(model, ["Decoding=Beams", "Decoding=Beams"]) == {"Decoding": "Beams"}
    for wrong, message in {
        "heat=7": "can't be 7.0: 0.5, 1.0, 1.5",
        "heat=x": "needs a number",
        "hat=1": "did you mean heat",
        "heat": "write feature=value",
        "Cache=4": "true or false",
    }.items():
        with pytest.raises(ModelError, match=message):
            parse_pins(model, [wrong])
    with pytest.raises(ModelError, match="given twice"):
        parse_pins(model, ["heat=0.5", "heat=1"])


def test_a_text_that_is_a_value_is_this_value():
    model = read_uvl(
        "features\n  A\n    optional\n      String flash {values ['auto', 'on', 'off']}"
    )
    assert parse_pins(model, ["flash=on"]) == {"flash": "on"}
    assert parse_pins(model, ["flash=true"]) == {"flash": True}
    assert parse_pins(model, ["flash=no"], domains={"flash": ["no"]}) == {"flash": "no"}


def test_a_parent_and_its_child_have_to_agree():
    model = read_uvl(SMALL)
    pins = parse_pins(model, ["Decoding=Beams", "Beams=true"])
    assert selections(model, pins) == {"Beams": True}
    with pytest.raises(ModelError, match="given twice"):
        selections(model, {"Decoding": "Beams", "Beams": False})


def test_a_wish_brings_ancestors_and_ousts_the_other_alternatives():
    model = read_uvl(SMALL)
    assert default_configuration(model) == {"Engine": True, "Decoding": True, "Greedy": True}
    assert wished(model, {"beams": 8}) == {
        "Engine": True,
        "Decoding": True,
        "Beams": True,
        "beams": 8,
    }


def test_a_constraint_without_features_is_judged():
    model = read_uvl("features\n  A\nconstraints\n  1 > 2")
    assert not evaluate(model, {"A": True})
    assert compile_model(model).count == 0
    assert [cause.text for cause in explain(Solver(model))] == ["1 > 2"]


def test_inert_choices_count_once():
    text = SMALL.replace("Cache\n", "Cache {inert 'Greedy'}\n")
    every = compile_model(read_uvl(text), canonical=False)
    once = compile_model(read_uvl(text))
    greedy = every.condition({"Greedy": True}).count
    assert once.count == every.count - greedy // 2
    assert not any("Greedy" in c and "Cache" in c for c in once.iterate())


@pytest.mark.parametrize(
    ("before", "after", "kind", "numbers"),
    [
        ("<= 32", "<= 32", "refactoring", (False, False)),
        ("<= 32", "<= 16", "specialisation", (True, False)),
        ("<= 16", "<= 32", "generalisation", (False, True)),
        ("<= 32", "!= 8", "arbitrary edit", (True, True)),
    ],
)
def test_a_diff_tells_which_configurations_come_and_go(before, after, kind, numbers):
    first, second = (read_uvl(SMALL.replace("<= 32", sign)) for sign in (before, after))
    found = diff(first, second)
    assert found.kind == kind
    assert (bool(found.only_before), bool(found.only_after)) == numbers
    a = {key(c) for c in configurations(first)}
    b = {key(c) for c in configurations(second)}
    assert (found.kept, found.only_before, found.only_after) == (
        len(a & b), len(a - b), len(b - a),
    )  # fmt: skip


def test_a_diff_tells_what_changed_in_the_text():
    second = SMALL.replace("Cache", "Store").replace("[2, 4, 8]", "[2, 4]").replace("1.5]", "2.0]")
    found = diff(read_uvl(SMALL), read_uvl(second))
    assert (found.added, found.removed) == (("Store",), ("Cache",))
    assert found.changed == {
        "heat": ("attribute values (0.5, 1.0, 1.5) -> (0.5, 1.0, 2.0)",),
        "beams": ("attribute values (2, 4, 8) -> (2, 4)",),
    }
    assert found.kept is None
    assert found.kind == ""


def test_indices_reach_every_configuration_once():
    compiled = compile_model(read_uvl(SMALL))
    rows = compiled.unrank(np.arange(compiled.count))
    assert len(np.unique(rows, axis=0)) == compiled.count
    assert Counter(map(key, compiled.iterate())).most_common(1)[0][1] == 1
    with pytest.raises(IndexError):
        compiled.unrank(np.array([compiled.count]))


def test_what_can_not_be_counted_says_so():
    model = read_uvl("features\n  A\n    mandatory\n      Integer x")
    with pytest.raises(ModelError, match="no finite domain"):
        compile_model(model)
    twelve = "".join(f"      Integer x{i} {{min 1, max 40}}\n" for i in range(12))
    product = " * ".join(f"x{i}" for i in range(12))
    model = read_uvl(f"features\n  A\n    mandatory\n{twelve}constraints\n  {product} < 500")
    with pytest.raises(ModelError, match="ties 12 features together"):
        compile_model(model)


def test_a_sum_over_many_features_is_counted():
    n = 40
    many = "".join(f"      F{i} {{cost {1 + i % 3}}}\n" for i in range(n))
    model = read_uvl(f"features\n  A\n    optional\n{many}constraints\n  sum(cost) <= 20")
    ways = [1] + [0] * 20
    for i in range(n):
        cost = 1 + i % 3
        ways = [w + (ways[j - cost] if j >= cost else 0) for j, w in enumerate(ways)]
    assert compile_model(model).count == sum(ways)


def test_a_group_of_a_hundred_with_a_cardinality_is_counted():
    from math import comb

    many = "".join(f"      F{i}\n" for i in range(100))
    model = read_uvl(f"features\n  A\n    [2..5]\n{many}")
    assert compile_model(model).count == sum(comb(100, k) for k in range(2, 6))
