"""A plan says what a study would do, and starts nothing."""

from __future__ import annotations

import json
import sys

import psutil
import pytest

from tuner.cli import main
from tuner.run.planning import plan_study
from tuner.study import StudySpec


def test_a_plan_names_the_first_configurations_in_their_order_and_divides_the_time():
    spec = StudySpec.of(models=("builtin:small",), n_prompts=16, max_seconds=100.0)
    plan = plan_study(spec)
    assert plan.first[0] == plan.default
    assert len(set(plan.first)) == len(plan.first) > 1
    assert (plan.requests, plan.graded) == (16, 16)
    assert plan.default_seconds + plan.verification_seconds < plan.seconds == 100
    assert plan.limits == ("joules_per_request<10x", "mean_e2el_ms<10x")
    asked = StudySpec.of(models=("builtin:small",), limits=("mean_e2el_ms<5x",))
    assert set(plan_study(asked).limits) == {"mean_e2el_ms<5x", "joules_per_request<10x"}


def test_the_plan_starts_nothing_and_writes_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    before = {p.pid for p in psutil.Process().children(recursive=True)}
    words = ["run", "--model", "builtin:small", "--prompts", "16", "--max-time", "2m", "--plan"]
    monkeypatch.setattr(sys, "argv", ["tune", *words, "--json"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    plan = json.loads(capsys.readouterr().out)
    assert plan["seconds"] == 120
    assert plan["first"][0] == plan["default"]
    assert list(tmp_path.iterdir()) == []
    assert {p.pid for p in psutil.Process().children(recursive=True)} == before
    monkeypatch.setattr(sys, "argv", ["tune", *words])
    with pytest.raises(SystemExit):
        main()
    shown = capsys.readouterr().out
    assert "2:00 min in all" in shown
    assert "1. as the default" in shown
