"""Every command of `tune space` on files that nobody should have written."""

from __future__ import annotations

import json
import random

import pytest
from typer.testing import CliRunner

from tuner.cli.space import app
from tuner.errors import UserError

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
}  # fmt: skip


def asked(command: str, path) -> tuple[object, str]:
    """The answer or the sentence of a command; what else is raised is a bug."""
    arguments = [command, str(path), "--json"] + ([str(path)] if command == "diff" else [])
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
    answer, sentence = asked(command, path)
    if name in ("empty", "broken", "nul", "deep", "huge_numbers"):
        assert "line " in sentence
        assert "column " in sentence
        assert path.name in sentence
    elif answer is None:
        assert len(sentence) > 20
        assert "\n" not in sentence


def test_a_contradictory_model_is_explained(tmp_path):
    path = tmp_path / "contradictory.uvl"
    path.write_text(FILES["contradictory"])
    result = CliRunner().invoke(app, ["check", str(path)])
    assert result.exit_code == 1
    assert "constraint: B => !C (line 8)" in result.stdout
    assert asked("count", path)[0] == {"configurations": 0}
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
    answer, sentence = asked(command, huge)
    assert answer is not None or "too entangled" in sentence


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
