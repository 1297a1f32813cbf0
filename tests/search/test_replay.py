"""Tuning on past measurements, as a library and from the command line."""

from __future__ import annotations

import json

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from tuner.cli.compare import compare
from tuner.cli.replay import replay as replay_command
from tuner.errors import UserError
from tuner.search.replay import SAMPLERS, replay
from tuner.space import read_table
from tuner.surrogates import Objective

OBJECTIVES = (Objective("energy_j", "min"), Objective("accuracy", "max"))


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    lines = ["model,batch,beams,note,energy_j,accuracy"]
    for i, model in enumerate(("s", "m", "l")):
        for batch in (1, 2, 4, 8, 16):
            for beams in (1, 2, 3, 4):
                energy = 4.0**i * beams / (1 + batch) * 10
                accuracy = 0.5 + 0.2 * i + 0.03 * beams - 0.002 * batch
                lines.append(f"{model},{batch},{beams},x{len(lines)},{energy:.5f},{accuracy:.5f}")
    path = tmp_path_factory.mktemp("tables") / "table.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def table(path):
    return read_table(path, ["energy_j", "accuracy"], ["model", "batch", "beams"])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if n == "gp" else n for n in SAMPLERS]
)
def test_every_sampler_measures_each_row_at_most_once(table, name):
    n = 11 if name == "gp" else 16
    run = replay(table, OBJECTIVES, sampler=name, max_trials=n, seed=1, run_on=True)
    assert len(run.rows) == len(set(run.rows)) == n
    assert all(np.diff(run.log) >= -1e-12)
    assert 0 < run.log[-1] <= 1 + 1e-9
    assert len(run.log) == len(run.linear) == len(run.seconds) == n
    again = replay(table, OBJECTIVES, sampler=name, max_trials=n, seed=1, run_on=True)
    assert again.rows == run.rows


def test_a_table_is_exhausted_with_its_whole_hypervolume(table):
    run = replay(table, OBJECTIVES, sampler="random", max_trials=1000)
    assert sorted(run.rows) == list(range(60))
    assert run.log[-1] == pytest.approx(1.0)
    assert run.linear[-1] == pytest.approx(1.0)


def test_seeds_begin_at_rows_of_their_own(table):
    first = [replay(table, OBJECTIVES, max_trials=1, seed=seed).rows for seed in range(10)]
    assert len(set(first)) > 5
    assert replay(table, OBJECTIVES, max_trials=1, seed=3).rows == first[3]


@pytest.mark.slow
def test_running_on_changes_nothing_but_the_end(table):
    stopped = replay(table, OBJECTIVES, max_trials=60)
    on = replay(table, OBJECTIVES, max_trials=60, run_on=True)
    assert stopped.stopped_at == on.stopped_at == len(stopped.rows) < 60
    assert on.rows[: len(stopped.rows)] == stopped.rows
    assert stopped.log[-1] > 0.95
    assert stopped.measurements_to(0.95) <= stopped.stopped_at


def invoke(command, *arguments):
    app = typer.Typer()
    app.command()(command)
    return CliRunner().invoke(app, [str(a) for a in arguments])


GIVEN = ("--objective", "energy_j:min", "--objective", "accuracy:max")
FEATURES = ("--features", "model,batch,beams")


def test_the_command_prints_one_json_object(path):
    result = invoke(replay_command, path, *GIVEN, *FEATURES, "--max-trials", 12, "--json")
    assert result.exit_code == 0
    output = json.loads(result.stdout)
    assert len(output["measured"]) == len(output["hypervolume"]["log"]) == 12
    assert set(output["measurements_to"]["log"]) == {"90%", "95%", "99%"}
    assert all(entry in output["measured"] for entry in output["front"])
    assert (output["stop"]["stopped"], output["stop"]["at"]) == (False, None)
    assert output["stop"]["reason"].startswith("what is left may add")
    assert set(output["measured"][0]["configuration"]) == {"model", "batch", "beams"}


def test_a_budget_that_ends_it_is_told_with_what_the_rule_said(path):
    result = invoke(replay_command, path, *GIVEN, *FEATURES, "--max-trials", 2)
    text = " ".join(result.stdout.split())
    assert "Ended after the 2 that were allowed: 2 of the" in text
    assert "first configurations have been measured." in text


@pytest.mark.slow
def test_the_comparison_has_a_table_a_plot_and_json(path, tmp_path):
    plot = tmp_path / "plots" / "comparison.png"
    given = (path, *GIVEN, *FEATURES, "--seeds", 2, "--max-trials", 10)
    result = invoke(compare, *given, "--plot", plot, "--samplers", "pareto,random")
    assert result.exit_code == 0
    assert "pareto" in result.stdout
    assert "random" in result.stdout
    assert plot.read_bytes().startswith(b"\x89PNG")
    output = json.loads(invoke(compare, *given, "--samplers", "pareto,random", "--json").stdout)
    assert set(output["samplers"]) == {"pareto", "random"}
    assert len(output["runs"]) == 4
    assert np.shape(output["samplers"]["pareto"]["quartiles"]) == (3, 10)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--objective", "watts:min"), "no column 'watts'"),
        (("--objective", "energy_j"), "no objective"),
        ((*GIVEN, "--objective", "energy_j:min"), "twice"),
        ((*GIVEN, "--features", "colour"), "no column 'colour'"),
        ((*GIVEN, "--features", "accuracy"), "both feature and objective"),
        ((*GIVEN, "--max-trials", "0"), "at least 1"),
        ((*GIVEN, "--sampler", "magic"), "no sampler 'magic'"),
    ],
)
def test_wrong_options_are_a_sentence(path, arguments, word):
    result = invoke(replay_command, path, *arguments)
    assert isinstance(result.exception, UserError)
    assert word in str(result.exception)
