"""`tune space` answers about what `tune run` would search here, or, with --raw, about the file."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from tuner import Tuner
from tuner.cli.space import app
from tuner.errors import UserError
from tuner.features import compile_model
from tuner.space import environment as machine
from tuner.space import load_model, search_space

MODEL = """
features
    Engine
        mandatory
            Integer cpus {values [1, 2, 4, 8], default 8, role 'context'}
            Integer threads {values [1, 2, 4, 8], default 8}
            Integer answer {values [16, 32], fixed true}
        optional
            Fast
            Cache {inert 'threads == 1'}
constraints
    threads <= cpus
"""


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "usable_cpus", lambda: 2)
    path = tmp_path / "engine.uvl"
    path.write_text(MODEL)
    return str(path)


def ask(*arguments):
    result = CliRunner().invoke(app, list(arguments))
    if result.exception is not None:
        raise result.exception
    return result


def counted(*arguments):
    return json.loads(ask("count", *arguments, "--json").stdout)


def test_a_count_is_of_what_a_study_here_searches(path):
    here = Tuner(path, ["latency_s:min"]).space.size
    assert here == 2 * (1 + 2)  # one thread has no use for a cache
    assert counted(path) == {"configurations": here, "of": "search"}


def test_a_raw_count_is_of_the_file_as_it_stands(path):
    raw = compile_model(load_model(path)).count
    assert raw == 2 * 2 * (4 * 1 + 2 * (3 + 2 + 1))
    assert counted(path, "--raw") == {"configurations": raw, "of": "file"}


def test_a_count_says_which_of_the_two_it_is(path):
    here, raw = ask("count", path), ask("count", path, "--raw", "--set", "Fast=true")
    assert here.stdout == "6\n"
    assert "`tune run` would search here" in here.stderr
    assert "as it stands with Fast=true" in raw.stderr


def test_pins_are_those_of_a_study(path):
    for pin, value in {"cpus=4": 4, "threads=1": 1, "answer=32": 32, "Fast=yes": True}.items():
        pins = {pin.partition("=")[0]: value}
        size = search_space(load_model(path), pins=pins).size
        assert counted(path, "--set", pin)["configurations"] == size


def test_pins_that_contradict_the_machine_leave_nothing(path):
    assert counted(path, "--set", "cpus=1", "--set", "threads=2")["configurations"] == 0
    with pytest.raises(UserError, match="no valid configuration"):
        ask("sample", path, "--set", "cpus=1", "--set", "threads=2")


def test_what_is_listed_is_what_is_counted(path):
    for more in ([], ["--raw"]):
        rows = list(csv.DictReader(io.StringIO(ask("list", path, *more).stdout)))
        assert len(rows) == counted(path, *more)["configurations"]
        assert {row["cpus"] for row in rows} == ({"1", "2", "4", "8"} if more else {"2"})


def test_a_weighted_sample_is_what_the_tuner_draws(path):
    space = search_space(load_model(path))
    drawn = [space.selection(c) for c in space.decode(space.sample(25, np.random.default_rng(4)))]
    sampled = ask("sample", path, "-n", "25", "--seed", "4", "--json").stdout
    assert json.loads(sampled) == drawn


@pytest.mark.parametrize(
    "method", ["uniform", "weighted", "twise", "maximin", "distance", "onewise"]
)
def test_every_way_to_sample_keeps_to_the_pins_and_the_machine(method, path):
    chosen = ["sample", path, "--method", method, "--set", "Fast=true", "--json"]
    for c in json.loads(ask(*chosen).stdout):
        assert c["Fast"] is True
        assert (c["cpus"], c["answer"]) == (2, 16)
    assert {c["cpus"] for c in json.loads(ask(*chosen, "--raw", "-n", "60").stdout)} - {2}
