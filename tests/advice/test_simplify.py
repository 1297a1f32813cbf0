"""What makes no difference is set back to the default, and what stays says what it is worth."""

from __future__ import annotations

import numpy as np
import pytest

from tuner.advice.model import fitted_surrogate
from tuner.advice.simplify import Simplifier
from tuner.search import Objective
from tuner.space import load_space
from tuner.study import Record

OBJECTIVES = (Objective.parse("joules_per_request:min"), Objective.parse("accuracy:max"))
SPACE = """
features
    Toy {abstract}
        mandatory
            Integer batch {values [1, 2, 4, 8, 16], log true, default 1, role 'request'}
            Integer chunk {values [16, 64, 256], log true, default 64, role 'request'}
            search {role 'request'}
                alternative
                    One {arg 'beams', value 1}
                    Many
                        mandatory
                            Integer beams {values [2, 3, 4], default 2}
        optional
            fancy {role 'request', arg 'fancy', value true}
"""


def truth(configuration):
    """Only the batch and the beams matter."""
    beams = configuration.get("beams", 1)
    joules = 10 * beams / configuration["batch"] ** 0.8
    return joules, 0.6 + 0.05 * beams


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    path = tmp_path_factory.mktemp("space") / "toy.uvl"
    path.write_text(SPACE)
    return load_space(str(path))


@pytest.fixture(scope="module")
def simplifier(space):
    codes = np.unique(space.sample(60, np.random.default_rng(0)), axis=0)
    records = [Record(i, c, "complete", None, truth(c)) for i, c in enumerate(space.decode(codes))]
    return Simplifier(space, OBJECTIVES, fitted_surrogate(space, OBJECTIVES, records))


def test_what_does_not_matter_is_set_back_and_what_matters_stays(space, simplifier):
    odd = space.configuration({"batch": 16, "chunk": 256, "fancy": True, "search": "One"})
    plain = simplifier.simplified(odd)
    assert plain == space.configuration({"batch": 16})
    accurate = space.configuration({"batch": 16, "chunk": 16, "search": "Many", "beams": 4})
    kept = simplifier.simplified(accurate)
    assert (kept["batch"], kept["beams"], kept["chunk"]) == (16, 4, 64)


def test_the_default_is_never_the_answer_to_something_else(space, simplifier):
    almost = space.configuration({"chunk": 256})
    assert simplifier.simplified(almost) == almost
    assert simplifier.simplified(space.default) == space.default


def test_each_difference_says_what_it_is_worth(space, simplifier):
    changes = {c.feature: c for c in simplifier.changes(space.configuration({"batch": 16}))}
    assert set(changes) == {"batch"}
    batch = changes["batch"]
    assert (batch.default, batch.value) == (1, 16)
    assert batch.worth["joules_per_request"] == pytest.approx(16**0.8 - 1, rel=0.25)
    assert batch.worth["accuracy"] == pytest.approx(0.0, abs=0.02)


def test_every_simplification_is_valid_and_no_further_from_the_default(space, simplifier):
    default = space.encode([space.default])[0]
    for code in space.sample(30, np.random.default_rng(1)):
        configuration = space.decode(code[None])[0]
        simple = space.encode([simplifier.simplified(configuration)])[0]
        assert (space.repair(simple[None])[0] == simple).all()
        assert (simple != default).sum() <= (code != default).sum()
