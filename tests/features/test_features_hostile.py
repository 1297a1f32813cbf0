"""Every command of `tune space` on files that nobody should have written."""

from __future__ import annotations

import json
import random

import pytest
from typer.testing import CliRunner

from tuner.cli.space import app
from tuner.errors import UserError
from tuner.features import (
    ModelError,
    Solver,
    _solver,
    atomic_sets,
    compile_model,
    core,
    dead,
    deadline,
    explain,
    false_optional,
    nearest_configuration,
    read_uvl,
)

COMMANDS = [
    "check", "count", "core", "dead", "atomic", "commonality", "complete", "explain", "repair",
    "list", "sample", "diff",
]  # fmt: skip

FILES = {
    "empty": "",
    "broken": "features\n  A {x [1,2\n",
    "nul": "features\n  A\0B\n",
    "deep": "features\n  A\nconstraints\n  " + "(" * 20_000,
    "contradictory": "features\n  A\n    mandatory\n      B\n    or\n      C\nconstraints\n"
    "  B => !C",
    "endless": "features\n  A\n    mandatory\n      Integer x\n",
    "huge_numbers": "features\n  A {x " + "9" * 50_000 + "}\n",
    "huge_domain": "features\n  A\n    or\n      Real x {min 0, max 1, step 0.000000001}\n",
    "product": "features\n  A\n    mandatory\n"
    + "".join(f"      Integer x{i} {{min 1, max 90}}\n" for i in range(9))
    + "constraints\n  " + " * ".join(f"x{i}" for i in range(9)) + " < 500\n",
    "sum": "features\n  A\n    optional\n"
    + "".join(f"      Integer x{i} {{min 1, max 50}}\n" for i in range(400))
    + "constraints\n  " + " + ".join(f"x{i}" for i in range(400)) + " < 9000\n",
    "cardinality": "features\n  A\n    [5..999999999]\n      B\n",
    "names": f"features\n  A\n    optional\n      {'B' * 100_000}\n"
    f"constraints\n  {'B' * 99_999} => A\n",
    "terms": "features\n  A\n    optional\n" + "".join(f"      F{i}\n" for i in range(900))
    + "constraints\n  " + " | ".join(f"(F{i} & !F{i + 1})" for i in range(899)) + "\n",
}  # fmt: skip

PIGEONS = 11
PIGEONHOLES = (
    "features\n  A\n    mandatory\n"
    + "".join(
        f"      P{i}\n        alternative\n"
        + "".join(f"          P{i}H{j}\n" for j in range(PIGEONS - 1))
        for i in range(PIGEONS)
    )
    + "constraints\n"
    + "".join(
        f"  !(P{i}H{j} & P{k}H{j})\n"
        for j in range(PIGEONS - 1)
        for i in range(PIGEONS)
        for k in range(i)
    )
)
"""More pigeons than holes, one to a hole: short to say, and beyond every solver by clauses."""


def asked(command: str, path, patience: float = 7.0, more=()) -> tuple[object, str]:
    """The answer or the sentence of a command; what else is raised is a bug."""
    arguments = [command, str(path), "--json"] + ([str(path)] if command == "diff" else [])
    arguments += ["--patience", str(patience), *more]
    result = CliRunner().invoke(app, arguments)
    if result.exception is not None and not isinstance(result.exception, UserError | SystemExit):
        raise result.exception
    if isinstance(result.exception, UserError):
        return None, str(result.exception)
    return json.loads(result.stdout), ""


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_hostile_file_gives_a_sentence(command, name, tmp_path):
    path = tmp_path / f"{name}.uvl"
    path.write_text(FILES[name])
    hard = name in ("sum", "terms", "product")
    answer, sentence = asked(command, path, patience=0.3 if hard else 60.0)
    if name in ("empty", "broken", "nul", "deep", "huge_numbers", "names"):
        assert "line " in sentence
        assert "column " in sentence
        assert path.name in sentence
    if answer is None:
        assert 20 < len(sentence) < 1000
        assert "\n" not in sentence


@pytest.mark.parametrize("name", ["contradictory", "endless", "product", "cardinality", "alone"])
@pytest.mark.parametrize(
    "method", ["uniform", "weighted", "twise", "maximin", "distance", "onewise"]
)
def test_every_way_to_sample_a_hostile_file_gives_a_sentence(method, name, tmp_path):
    path = tmp_path / f"{name}.uvl"
    path.write_text({**FILES, "alone": "features\n  A\n"}[name])
    answer, sentence = asked("sample", path, more=["--method", method])
    if name == "alone":
        assert {"A": True} in answer
    else:
        assert 20 < len(sentence) < 1000


@pytest.mark.parametrize("command", COMMANDS)
def test_what_no_solver_answers_ends_in_a_sentence(command, tmp_path):
    path = tmp_path / "pigeonholes.uvl"
    path.write_text(PIGEONHOLES)
    answer, sentence = asked(command, path, patience=0.3)
    if command == "diff":  # what is written can be compared all the same
        assert answer["kept"] is None
    else:
        assert "within 0.3 s" in sentence


def test_the_limit_that_ends_first_holds():
    solver = Solver(read_uvl(PIGEONHOLES))
    with (
        deadline(1000),
        deadline(0.1),
        deadline(None),
        pytest.raises(ModelError, match=r"within 0\.1 s"),
    ):
        solver.satisfiable()
    with deadline(0.1), deadline(1000), pytest.raises(ModelError, match=r"within 0\.1 s"):
        explain(solver)
    with pytest.raises(ModelError, match=r"within 0\.1 s"):
        compile_model(solver.model, seconds=0.1)
    with deadline(0.1), pytest.raises(ModelError, match=r"within 0\.1 s"):
        nearest_configuration(solver, {})


def test_a_contradictory_model_is_explained(tmp_path):
    path = tmp_path / "contradictory.uvl"
    path.write_text(FILES["contradictory"])
    result = CliRunner().invoke(app, ["check", str(path)])
    assert result.exit_code == 1
    assert "constraint: B => !C (line 8)" in result.stdout
    assert asked("count", path)[0] == {"configurations": 0, "of": "search"}
    assert asked("list", path)[0] == []
    assert "no valid configuration" in asked("sample", path)[1]


@pytest.fixture(scope="module")
def huge(tmp_path_factory):
    chance = random.Random(0)
    lines = ["features", "\tRoot"]
    for i in range(200):
        lines += ["\t\toptional", f"\t\t\tG{i}", f"\t\t\t\t{chance.choice(['or', 'alternative'])}"]
        lines += [f"\t\t\t\t\tF{i}x{j}" for j in range(49)]
    lines.append("constraints")
    for _ in range(300):
        i, j = chance.randrange(200), chance.randrange(200)
        lines.append(f"\tF{i}x{chance.randrange(49)} => F{j}x{chance.randrange(49)}")
    path = tmp_path_factory.mktemp("huge") / "huge.uvl"
    path.write_text("\n".join(lines))
    return path


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_ten_thousand_features_give_an_answer_or_a_sentence(command, huge):
    counting = command in ("count", "commonality", "list", "sample")  # beyond reach
    answer, sentence = asked(command, huge, patience=1.0 if counting else 60.0)
    if counting:  # a slow machine may not even have read it by then
        assert "too entangled to" in sentence
        assert "within 1 s" in sentence
    else:
        assert answer is not None


def flat(kind: str, n: int = 10_000) -> str:
    leaves = "".join(f"      F{i}\n" for i in range(n))
    return f"features\n  A\n    {kind}\n{leaves}"


def questions(solver, monkeypatch) -> int:
    """How often the solver is asked until all that is always true is known."""
    number = 0
    ask = _solver.limited

    def counted(*arguments):
        nonlocal number
        number += 1
        return ask(*arguments)

    monkeypatch.setattr(_solver, "limited", counted)
    core(solver), dead(solver), false_optional(solver), atomic_sets(solver)
    monkeypatch.setattr(_solver, "limited", ask)
    return number


@pytest.mark.parametrize("kind", ["optional", "or", "alternative"])
def test_ten_thousand_alike_features_take_few_questions(kind, monkeypatch):
    solver = Solver(read_uvl(flat(kind)))
    assert questions(solver, monkeypatch) < 60
    assert core(solver) == ("A",)
    assert dead(solver) == ()
    assert len(atomic_sets(solver)) == 10_001


def test_ten_thousand_features_that_go_together_are_one_set():
    solver = Solver(read_uvl(flat("mandatory")))
    assert len(core(solver)) == 10_001
    assert len(atomic_sets(solver)) == 1


def test_ten_thousand_features_with_constraints_take_far_fewer_questions(huge, monkeypatch):
    assert questions(Solver(read_uvl(huge)), monkeypatch) < 1000


def test_a_count_of_thousands_of_digits_is_written_out(tmp_path):
    path = tmp_path / "digits.uvl"
    leaves = "".join(f"      Integer x{i} {{min 1, max 99}}\n" for i in range(2500))
    path.write_text(f"features\n  A\n    optional\n{leaves}")
    assert CliRunner().invoke(app, ["count", str(path)]).stdout == "1" + 5000 * "0" + "\n"


def test_answers_are_printed_for_people_and_for_programs(tmp_path):
    path = tmp_path / "small.uvl"
    path.write_text(
        "features\n  A\n    optional\n      B\n      Integer x {values [1, 2, 3], default 2}\n"
        "constraints\n  // Because.\n  B => x > 1\n"
    )
    run = CliRunner().invoke
    assert run(app, ["count", str(path)]).stdout == "6\n"
    assert run(app, ["count", str(path), "--set", "B=true"]).stdout == "2\n"
    assert run(app, ["core", str(path)]).stdout == "A\n"
    explained = run(app, ["explain", str(path), "--set", "B=true", "--set", "x=1"]).stdout
    assert "constraint: B => x > 1 (line 8)\n      Because." in explained
    assert "choice: B=true" in explained
    listed = run(app, ["list", str(path)]).stdout.splitlines()
    assert listed[0] == "A,B,x"
    assert len(listed) == 7
    completed = json.loads(run(app, ["complete", str(path), "--set", "B=true", "--json"]).stdout)
    assert completed["configuration"] == {"A": True, "B": True, "x": 2}
    assert completed["values"]["x"] == [2, 3]
    for method in ("uniform", "weighted", "twise", "maximin", "distance", "onewise"):
        sampled = run(app, ["sample", str(path), "-n", "4", "--method", method, "--json"])
        assert sampled.exit_code == 0, method
        assert all(c["A"] is True for c in json.loads(sampled.stdout))
