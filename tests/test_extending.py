"""What docs/extending.md shows works as it stands there."""

from __future__ import annotations

import itertools
import json
import re
import sys
from pathlib import Path

import pytest

from tuner import tune
from tuner.engines.serving import flavors

PAGE = (Path(__file__).parents[1] / "docs" / "extending.md").read_text()
CODE = {
    name: block
    for block in re.findall(r"```(?:python|uvl)\n(.*?)```", PAGE, flags=re.DOTALL)
    for name in re.findall(r"^(?:#|//) (\S+)$", block.splitlines()[0])
}
STUB = Path(__file__).parent / "engines" / "stub_server.py"


def run(name: str) -> dict[str, object]:
    """The names that a piece of code on the page defines."""
    names: dict[str, object] = {"__name__": "example"}
    exec(compile(CODE[name], name, "exec"), names)
    return names


def test_every_piece_of_code_has_a_name():
    assert len(CODE) == len(re.findall(r"```(?:python|uvl)\n", PAGE))


@pytest.mark.slow
def test_a_server_is_added_with_a_module_and_a_feature_model(tmp_path, monkeypatch):
    program = tmp_path / "acme-serve"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {STUB} "$@" --owner acme\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(flavors, "SERVERS", flavors.SERVERS.copy())
    for module in ("registry", "serving.running"):
        monkeypatch.setattr(f"tuner.engines.{module}.SERVERS", flavors.SERVERS)
    run("acme.py")
    (tmp_path / "acme.uvl").write_text(CODE["acme.uvl"])
    result = tune(
        "builtin:small",
        None,
        launch="acme",
        space=str(tmp_path / "acme.uvl"),
        workload="fixed:input=4,output=3",
        n_requests=6,
        out=tmp_path / "out",
        max_trials=4,
        seconds_per_trial=0.2,
        verify_rounds=2,
        exporters=[run("systemd.py")["systemd_unit"]],
    )
    assert all(record.state == "complete" for record in result.trials)
    assert {r.measurement.in_force.version for r in result.trials} == {"0.0.stub"}
    folder = tmp_path / "out" / "recommended" / result.recommended[0].name
    assert "acme-serve serve" in (folder / "serve.sh").read_text()
    assert "ExecStart=" in (folder / "tuned.service").read_text()
    assert json.loads((folder / "engine.json").read_text())["versions"] == {"acme": "0.0.stub"}


@pytest.mark.slow
def test_a_meter_and_an_acquisition_function_are_handed_in(tmp_path):
    joules = itertools.count(step=0.5)
    plug = run("wall_plug.py")["WallPlug"](lambda: float(next(joules)))
    result = tune(
        "builtin:small",
        n_prompts=8,
        pins={"threads": 1, "search": "OneByOne", "token_choice": "Greedy", "max_new_tokens": 16},
        max_trials=14,
        seconds_per_trial=0.2,
        verify_rounds=2,
        meters=[plug],
        acquisition=run("weighted_sum.py")["weighted_sum"],
    )
    measured = [r.measurement for r in result.trials if r.state == "complete"]
    assert measured
    for measurement in measured:
        assert measurement.energy.energy_source == "wall"
        assert measurement.energy.energy_scope == "wall socket"
        assert set(measurement.metrics["energy_j"].repeats) == {0.5}
