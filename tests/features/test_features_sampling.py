"""Samples: uniform where they say so, each branch its share, every combination covered."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from feature_oracle import configurations, key, random_text, sequential_probabilities
from scipy.stats import chi2

from tuner.features import (
    ModelError,
    Rules,
    by_distance,
    compile_model,
    cover,
    layout_of,
    maximin,
    one_wise,
    read_uvl,
)
from tuner.features._cover import levels

MODEL = """features
    Engine
        mandatory
            Decoding
                alternative
                    Greedy
                    Sampling
                        mandatory
                            Integer heat {min 1, max 10}
                            Integer top {min 1, max 10}
                        optional
                            Penalty
                    Beams
                        mandatory
                            Integer beams {values [2, 4, 8]}
        [1..2]
            A
            B
            C {inert 'Beams'}
        or
            D
            E
constraints
    A & Sampling => heat + top <= 8
    beams == 8 => D
"""


def frequencies(compiled, rows, valid) -> np.ndarray:
    index = {key(c): i for i, c in enumerate(valid)}
    found = np.zeros(len(valid))
    for configuration in compiled.layout.configurations(rows):
        found[index[key(configuration)]] += 1
    return found


def chi_square(found, probabilities) -> float:
    """The probability of a deviation at least as large as this one."""
    expected = found.sum() * probabilities
    return float(chi2.sf(((found - expected) ** 2 / expected).sum(), len(found) - 1))


def test_uniform_draws_are_uniform():
    model = read_uvl(MODEL)
    compiled, valid = compile_model(model), configurations(model)
    rows = compiled.sample(20 * len(valid), np.random.default_rng(1))
    found = frequencies(compiled, rows, valid)
    assert 0.001 < chi_square(found, np.full(len(valid), 1 / len(valid))) < 0.999


def test_uniform_draws_are_uniform_where_counts_exceed_64_bits():
    bits = "".join(f"      F{i}\n" for i in range(80))
    compiled = compile_model(read_uvl(f"features\n  A\n    optional\n{bits}"))
    assert compiled.count == 2**80
    rows = compiled.sample(4000, np.random.default_rng(2))[:, 1:] >= 0
    z = (rows.mean(axis=0) - 0.5) / np.sqrt(0.25 / 4000)
    assert 0.001 < chi2.sf((z**2).sum(), 80) < 0.999
    assert len(np.unique(rows, axis=0)) == 4000


@pytest.mark.parametrize("given", [{}, {"Greedy": False}, {"heat": 3}])
def test_weighted_draws_decide_one_after_another(given):
    model = read_uvl(MODEL)
    compiled = compile_model(model).condition(given)
    valid = [
        c
        for c in configurations(model)
        if all(c.get(name, False) == value for name, value in given.items())
    ]
    first = ["Decoding"]  # others depend on it
    rest = [d.name for d in layout_of(model).decisions if d.name not in first]
    expected = sequential_probabilities(model, valid, first + rest)
    rows = compiled.sample(40_000, np.random.default_rng(3), weighted=True)
    found = frequencies(compiled, rows, valid)
    assert 0.001 < chi_square(found, expected) < 0.999


def test_weighted_draws_take_the_order_that_is_given():
    model = read_uvl("features\n  A\n    optional\n      B\n      C\nconstraints\n  B => C\n")
    compiled, valid = compile_model(model), configurations(model)
    for order, both in ((["B", "C"], 1 / 2), (["C", "B"], 1 / 4)):
        expected = sequential_probabilities(model, valid, order)
        assert expected[[len(c) for c in valid].index(3)] == pytest.approx(both)
        rows = compiled.sample(4000, np.random.default_rng(3), weighted=True, order=order)
        assert 0.001 < chi_square(frequencies(compiled, rows, valid), expected) < 0.999


def test_no_branch_drowns_in_weighted_draws():
    compiled = compile_model(read_uvl(MODEL))
    greedy = compiled.layout.column["Greedy"]
    chance = np.random.default_rng(4)
    uniform = (compiled.sample(2000, chance)[:, greedy] >= 0).mean()
    weighted = (compiled.sample(2000, chance, weighted=True)[:, greedy] >= 0).mean()
    assert uniform < 0.1
    assert weighted > 0.25


@pytest.mark.parametrize("weighted", [False, True])
def test_the_same_seed_draws_the_same(weighted):
    compiled = compile_model(read_uvl(MODEL))
    first, second = (
        compiled.sample(50, np.random.default_rng(5), weighted=weighted) for _ in range(2)
    )
    assert (first == second).all()


def test_every_draw_from_generated_models_is_valid():
    for seed in range(100):
        model = read_uvl(random_text(seed, inert=seed % 2 == 0, constraints=2))
        compiled, chance = compile_model(model), np.random.default_rng(seed)
        if not compiled.count:
            with pytest.raises(ModelError, match="no valid configuration"):
                compiled.sample(1, chance)
            continue
        for weighted in (False, True):
            assert Rules(model).valid(compiled.sample(40, chance, weighted=weighted)).all()


def choices_of(model, configuration) -> set:
    """The choices that a configuration makes, of those that covers combine."""
    found = set()
    for name, feature in model.features.items():
        if name not in configuration:
            found.add((name, False))
        elif not feature.typed:
            found.add((name, True))
        elif configuration[name] in [feature.domain[i] for i in levels(feature)]:
            found.add((name, configuration[name]))
    return found


def combinations(model, some, t) -> set:
    return {
        combination
        for configuration in some
        for combination in itertools.combinations(
            sorted(choices_of(model, configuration), key=repr), t
        )
    }


@pytest.mark.parametrize("t", [1, 2, 3])
def test_a_cover_has_every_possible_combination(t):
    covered = 0
    for seed in range(40 if t < 3 else 15):
        model = read_uvl(random_text(seed, inert=seed % 2 == 0, constraints=2, features=7))
        valid = configurations(model)
        if not valid:
            with pytest.raises(ModelError, match="no valid configuration"):
                cover(model, t, np.random.default_rng(seed))
            continue
        rows = cover(model, t, np.random.default_rng(seed))
        rules = Rules(model)
        assert rules.valid(rows).all()
        found = rules.layout.configurations(rows)
        assert combinations(model, found, t) == combinations(model, valid, t)
        assert len(found) <= len(valid)
        covered += 1
    assert covered > 5


def test_a_cover_of_free_choices_is_small():
    bits = "".join(f"      F{i}\n" for i in range(20))
    rows = cover(read_uvl(f"features\n  A\n    optional\n{bits}"), 2, np.random.default_rng(0))
    assert len(rows) <= 12  # 6 would do, 1,048,576 are possible


def test_a_cover_that_is_too_large_says_so():
    bits = "".join(f"      F{i}\n" for i in range(400))
    model = read_uvl(f"features\n  A\n    optional\n{bits}")
    with pytest.raises(ModelError, match="too many for t = 3"):
        cover(model, 3, np.random.default_rng(0))
    with pytest.raises(ModelError, match="t is 1, 2 or 3"):
        cover(model, 4, np.random.default_rng(0))


def spread(compiled, rows) -> float:
    points = np.where(rows < 0, -5, rows)
    gaps = np.abs(points[:, None] - points[None]).sum(axis=2)
    return float(gaps[~np.eye(len(rows), dtype=bool)].min())


def test_maximin_spreads_further_than_chance():
    model = read_uvl(MODEL)
    compiled = compile_model(model)
    rows = maximin(compiled, 12, np.random.default_rng(6))
    assert Rules(model).valid(rows).all()
    assert len(np.unique(rows, axis=0)) == 12
    draws = [compiled.sample(12, np.random.default_rng(i), weighted=True) for i in range(20)]
    assert spread(compiled, rows) > np.median([spread(compiled, d) for d in draws])


def test_distances_from_the_default_are_spread():
    model = read_uvl(MODEL)
    rows = by_distance(compile_model(model), 15, np.random.default_rng(7))
    assert Rules(model).valid(rows).all()
    assert len(np.unique(rows, axis=0)) == 15


def test_one_wise_makes_every_choice_next_to_the_default():
    model = read_uvl(MODEL)
    compiled = compile_model(model)
    found = compiled.layout.configurations(one_wise(compiled))
    assert combinations(model, found, 1) == combinations(model, configurations(model), 1)
    assert Rules(model).valid(one_wise(compiled)).all()


def test_a_design_takes_no_more_than_there_is():
    compiled = compile_model(read_uvl("features\n  A\n    optional\n      B"))
    assert len(maximin(compiled, 10, np.random.default_rng(0))) == 2
    assert len(by_distance(compiled, 10, np.random.default_rng(0))) == 2
