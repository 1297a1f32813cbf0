"""`tune doctor`: everything that could be there, whether it is, and what the rest would take."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from tuner import checkup
from tuner.cli.app import app
from tuner.measure.machine_noise import MachineNoise, machine_noise


def run(*arguments):
    result = CliRunner().invoke(app, ["doctor", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_all_of_it_fits_on_a_screen_and_says_what_the_missing_would_take(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    text = run("--seconds", "0")
    assert len(text.splitlines()) <= 30
    assert max(map(len, text.splitlines())) <= 100
    for word in ("NVML", "RAPL", "Zeus", "CPU time", "transformers", "vllm", "sglang", "llama.cpp"):
        assert word in text
    assert "Noise" not in text


def test_the_json_is_one_object_with_every_group():
    answer = json.loads(run("--json", "--seconds", "0.3"))
    assert set(answer) == {"meters", "gpus", "engines", "extras", "noise"}
    for group in ("meters", "gpus", "engines", "extras"):
        for check in answer[group]:
            assert set(check) == {"group", "name", "available", "detail", "remedy"}
            assert check["detail"]
    transformers = next(c for c in answer["engines"] if c["name"] == "transformers")
    assert transformers["available"]
    assert answer["noise"]["repeats"] >= 3
    assert json.loads(run("--json", "--seconds", "0"))["noise"] is None


def test_a_server_that_is_there_is_named_with_its_version(monkeypatch, tmp_path):
    program = tmp_path / "llama-server"
    program.write_text("#!/bin/sh\necho 'version: 1234 (abc)' >&2\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr("tuner.engines.serving.vllm.package_version", lambda package: "9.9")
    found = {check.name: check for check in checkup.checkup()}
    assert found["llama.cpp"].available
    assert "version: 1234 (abc)" in found["llama.cpp"].detail
    assert found["vllm"].detail == "9.9"
    assert found["vllm"].remedy == ""


@pytest.mark.parametrize(
    ("wall_cv", "verdict"), [(0.01, "quiet"), (0.05, "usable"), (0.3, "noisy")]
)
def test_noise_has_a_verdict(wall_cv, verdict):
    assert MachineNoise(wall_cv, 0.0, 9, 2, 0.0).verdict == verdict


def test_the_same_job_takes_cpu_time_on_every_core():
    seen = machine_noise(0.3)
    assert seen.repeats >= 3
    assert seen.cores >= 1
    assert 0 <= seen.cpu_cv < 1
    assert 0 <= seen.wall_cv < 10


def test_a_space_that_does_not_fit_the_installed_engine_is_told(monkeypatch):
    from tuner import checkup

    assert not [c for c in checkup.checkup() if c.name.startswith("space ")]
    words = "vllm.uvl was written for vllm >=0.33,<0.34, but 0.40 is installed"
    monkeypatch.setattr(
        checkup,
        "version_warning",
        lambda model, version: words if "vllm" in str(model.source) else None,
    )
    told = [c for c in checkup.checkup() if c.name.startswith("space ")]
    assert [(c.name, c.available) for c in told] == [("space vllm", False)]
    assert words in told[0].detail
