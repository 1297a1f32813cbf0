"""What is expected of choices: the attribute `expect`, read and carried to the parameters."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tuner.errors import UserError
from tuner.features import read_uvl
from tuner.space import INACTIVE, Knowledge, SearchSpace, TableSpace, load_model

MODEL = """features
    Engine {abstract}
        mandatory
            Integer batch {values [1, 2, 4, 8], default 2, expect 'energy ^-0.5, latency +'}
            String dtype {values ['full', 'half', 'q:4'], EXPECT}
            search
                alternative
                    OneByOne
                    Beams {expect 'latency *3, accuracy +'}
                        mandatory
                            Integer beams {values [2, 4], expect 'energy ^1, accuracy +0.02'}
        optional
            Integer chunk {values [16, 64], default 64, expect 'energy *2, latency -'}
            quick {expect 'throughput *4'}
""".replace("EXPECT", "expect 'half: energy *0.5; q:4: energy *0.25, accuracy -0.1'")


@pytest.fixture(scope="module")
def space():
    return SearchSpace.from_model(read_uvl(MODEL))


def effect(space, kind, **values):
    code = space.encode([space.configuration(values)])
    return float(Knowledge.of(space, kind).total(code)[0])


@pytest.mark.parametrize("kind", ["energy", "latency", "throughput", "accuracy"])
def test_nothing_is_expected_of_the_default(space, kind):
    assert effect(space, kind) == 0


def test_a_number_acts_by_its_power_against_the_default(space):
    assert effect(space, "energy", batch=8) == pytest.approx(math.log(4**-0.5))
    assert effect(space, "energy", batch=1) == pytest.approx(math.log(0.5**-0.5))
    assert effect(space, "latency", batch=8) > 0 > effect(space, "latency", batch=1)


def test_choices_and_values_multiply(space):
    assert effect(space, "energy", dtype="half") == pytest.approx(math.log(0.5))
    assert effect(space, "energy", dtype="q:4", batch=8) == pytest.approx(math.log(0.25 / 2))
    assert effect(space, "accuracy", dtype="q:4") == pytest.approx(-0.1)
    assert effect(space, "throughput", quick=True) == pytest.approx(math.log(4))


def test_what_lies_below_a_choice_comes_on_top(space):
    assert effect(space, "latency", search="Beams") == pytest.approx(math.log(3))
    assert effect(space, "energy", beams=4) == pytest.approx(math.log(2))
    assert effect(space, "accuracy", beams=4) - effect(space, "accuracy", beams=2) == pytest.approx(
        0.02
    )


def test_selecting_a_number_and_its_value_are_two_things(space):
    assert effect(space, "energy", use_chunk=True) == pytest.approx(math.log(2))
    assert effect(space, "energy", chunk=16) == pytest.approx(math.log(2))
    assert effect(space, "latency", chunk=16) > 0


def test_effects_are_the_same_row_by_row_as_summed_over_parameters(space):
    rows = space.rows()
    for kind in ("energy", "latency", "accuracy"):
        expected = np.zeros(len(rows))
        for j, parameter in enumerate(space.parameters):
            for entry in parameter.expected:
                if entry.kind == kind:
                    table = np.array([*entry.effects, 0.0])  # the last is where INACTIVE points
                    assert INACTIVE == -1
                    expected += table[rows[:, j]]
        default = (rows == space.encode([space.default])[0]).all(1)
        total = Knowledge.of(space, kind).total(rows)
        assert total == pytest.approx(expected - expected[default])


def test_pins_and_other_values_take_their_part_of_it_away():
    model = read_uvl(MODEL)
    pinned = SearchSpace.from_model(model, pins={"dtype": "half"})
    assert effect(pinned, "energy", batch=8) == pytest.approx(math.log(0.5))
    other = SearchSpace.from_model(model, domains={"batch": (4, 16), "dtype": ("x", "half")})
    assert effect(other, "energy", batch=16) == pytest.approx(math.log(0.5))
    assert effect(other, "energy", dtype="half") == pytest.approx(math.log(0.5))


def test_a_table_has_no_knowledge():
    assert not Knowledge.of(TableSpace({"batch": [1, 2, 4]}), "energy")


@pytest.mark.parametrize(
    ("feature", "says"),
    [
        ("Integer x {values [1, 2], expect 'power *2'}", "'power \\*2' is none of .* energy,"),
        ("Integer x {values [1, 2], expect 'energy *2'}", "always chosen"),
        ("Integer x {values [0, 2], expect 'energy ^2'}", "values of 0 or below"),
        ("Integer x {values [1, 2], expect '3: energy *2'}", "no value '3'; it has 1, 2"),
        ("Integer x {values [1, 2], expect 'two: energy *2'}", "'two' is no number"),
        ("Integer x {values [1, 2], expect 'energy ^'}", "needs a number behind it"),
        ("Integer x {values [1, 2], expect 'energy -0.5'}", "of accuracy alone"),
        ("Integer x {values [1, 2], expect 'accuracy ^2'}", "gains or loses"),
        ("Integer x {values [1, 2], expect '1: energy *0'}", "a number above 0"),
        ("Integer x {values [1, 2], expect ''}", "needs a text"),
        ("Integer x {values [1, 2], expect 2}", "needs a text"),
        ("String x {values ['a', 'b'], expect 'energy -'}", "always chosen"),
        ("String x {values ['a', 'b'], expect 'a: energy ^2'}", "of a number alone"),
        ("x {expect 'energy *2'}", "always chosen"),
        ("x {expect 'a: energy *2'}", "no value 'a'; it has none"),
    ],
)
def test_a_mistake_is_told_with_its_place(feature, says):
    model = read_uvl(f"features\n    R\n        mandatory\n            {feature}\n")
    with pytest.raises(UserError, match=rf"<text>, line 4: `expect` of 'x': .*{says}"):
        SearchSpace.from_model(model)


def test_a_file_with_a_mistake_is_refused_when_it_is_read(tmp_path):
    path = tmp_path / "mine.uvl"
    path.write_text("features\n    R\n        optional\n            x {expect 'energy *'}\n")
    with pytest.raises(UserError, match=r"mine.uvl, line 4: `expect` of 'x': .*needs a number"):
        load_model(path)
