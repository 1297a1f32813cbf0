"""Generated code is run in a child with limits, and only where somebody allowed it."""

from __future__ import annotations

import json
import time

import psutil
import pytest

from tuner.errors import UserError
from tuner.tasks import Prompt, grader_named, read_task
from tuner.tasks import code as code_grader

ADD = "def add(a, b):\n    return a + b\n"
TESTS = "assert add(2, 3) == 5\nassert add(-1, 1) == 0\n"


@pytest.mark.parametrize(
    ("completion", "score"),
    [
        (ADD, 1),
        (f"Here it is:\n```python\n{ADD}```\nIt adds.", 1),
        (f"```\n{ADD}```", 1),
        ("def add(a, b):\n    return a - b\n", 0),
        ("def add(a, b) return a + b", 0),
        ("", 0),
        ("raise SystemExit(0)", 0),
        ("import os\nos._exit(0)", 0),
        ("print('passed')\nimport sys\nsys.exit()", 0),
        (ADD + "import subprocess\nsubprocess.Popen(['sleep', '600'])", None),
    ],
)
def test_code_passes_when_the_tests_reach_their_end(completion, score):
    assert code_grader.passes_tests(completion, TESTS) in ((0, 1) if score is None else (score,))
    mine = [child for child in psutil.Process().children(recursive=True) if child.is_running()]
    assert not mine


def test_the_completion_goes_where_the_tests_want_it():
    tests = "def add(a, b):\n{completion}\nassert add(1, 2) == 3"
    assert code_grader.passes_tests("    return a + b", tests) == 1
    assert code_grader.passes_tests("    return a * b", tests) == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "runaway",
    [
        "while True: pass",
        "import time; time.sleep(600)",
        "x = bytearray(10**10)",
        "open('big', 'wb').write(b'x' * 10**8)",
    ],
)
def test_what_runs_away_is_ended_and_has_not_passed(monkeypatch, runaway):
    monkeypatch.setattr(code_grader, "WALL_S", 1.5)
    began = time.monotonic()
    assert code_grader.passes_tests(ADD + runaway, TESTS) == 0
    assert time.monotonic() - began < 15
    assert not psutil.Process().children()


def test_it_sees_no_environment_and_an_empty_folder(monkeypatch):
    monkeypatch.setenv("SECRET", "x")
    program = "import os\nassert 'SECRET' not in os.environ\nassert len(os.listdir()) <= 2\n"
    assert code_grader.passes_tests(program, "") == 1


def write(tmp_path, **entry):
    path = tmp_path / "code.jsonl"
    path.write_text(json.dumps({"prompt": "p", "answer": TESTS, **entry}) + "\n")
    return path


def test_code_is_refused_unless_allowed(tmp_path):
    for grader in ("tests", "python:mine:grade"):
        with pytest.raises(UserError, match=r"line 1(.|\n)*--allow-code"):
            read_task(write(tmp_path, grader=grader))
    task = read_task(write(tmp_path, grader="tests"), allow_code=True)
    assert task.grade([ADD]) == (1.0,)


def test_a_function_of_the_user_grades(tmp_path, monkeypatch):
    (tmp_path / "my_graders.py").write_text(
        "def half(completion, answer):\n    return 0.5 if completion else 0\n"
        "def wild(completion, answer):\n    return 7\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    task = read_task(write(tmp_path, grader="python:my_graders:half"), allow_code=True)
    assert task.grade(["x"]) == (0.5,)
    with pytest.raises(UserError, match="gave 7; scores are between 0 and 1"):
        grader_named("python:my_graders:wild")("x", "y")
    for absent in ("python:my_graders:none", "python:no_such_module:f", "python:x"):
        with pytest.raises(UserError, match="cannot be had"):
            read_task(write(tmp_path, grader=absent), allow_code=True)


def test_a_function_can_be_given_as_it_is():
    prompt = Prompt("p", ("a", "b"), lambda completion, answer: float(completion == answer * 2))
    assert [prompt.grade(text) for text in ("bb", "b")] == [1, 0]
