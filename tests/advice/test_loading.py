"""A study is read from its folder as it was written, and its trials are a table of pandas."""

from __future__ import annotations

import json
import shutil
import sys

import pandas as pd
import pytest

import tuner
from tuner import UserError, tune

SPACE = """
features
    Toy {abstract}
        mandatory
            Integer batch {values [1, 2, 4, 8], default 1, role 'request'}
            String mode {values ['plain', 'draft'], default 'plain', role 'request'}
        optional
            Fast {arg 'fast', role 'request'}
"""
PROGRAM = """
import json, sys
batch, mode, fast = int(sys.argv[1]), sys.argv[2], len(sys.argv) > 3
if batch == 8:
    print(json.dumps({"error": "out_of_memory", "message": "no room"})); sys.exit(1)
print(json.dumps({"joules_per_request": (3.0 - fast) / batch, "energy_source": "rapl",
                  "mean_e2el_ms": 10.0 * batch + (mode == "draft")}))
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("loading")
    (folder / "toy.uvl").write_text(SPACE)
    (folder / "toy.py").write_text(PROGRAM)
    result = tune(
        (),
        None,
        command=f"{sys.executable} {folder / 'toy.py'} {{batch}} {{mode}} {{fast}}",
        space=str(folder / "toy.uvl"),
        objectives=("joules_per_request:min", "mean_e2el_ms:min"),
        levels=("mean_e2el_ms<1000",),
        verify_rounds=2,
        max_trials=10,
        out=folder / "out",
    )
    return folder / "out", result


def flat(value, at=""):
    """Every leaf of nested JSON with its path; 100 * (p / 100) is p but for the last digit."""
    if isinstance(value, dict):
        return {k: v for name, x in value.items() for k, v in flat(x, f"{at}.{name}").items()}
    if isinstance(value, list):
        return {k: v for i, x in enumerate(value) for k, v in flat(x, f"{at}[{i}]").items()}
    return {at: pytest.approx(value) if isinstance(value, float) else value}


def test_what_was_written_is_what_is_loaded(study):
    out, result = study
    written = json.loads((out / "result.json").read_text())
    loaded = tuner.load(out)
    assert flat(loaded.to_dict()) == flat(written)
    assert loaded.trials == result.trials  # with every repeat
    assert [r.configuration for r in loaded.recommended] == [
        r.configuration for r in result.recommended
    ]


def test_loading_changes_nothing(study):
    out, _ = study
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    tuner.load(str(out))
    assert {p: p.read_bytes() for p in out.rglob("*") if p.is_file()} == before


def test_a_study_of_a_release_before_the_record_of_what_was_in_force_is_loaded(study, tmp_path):
    out, _ = study
    shutil.copytree(out, tmp_path, dirs_exist_ok=True)
    written = json.loads((out / "result.json").read_text())
    for entry in (*written["recommended"], written["default"]):
        entry["settings"] = {"engine": "command", "command": "toy.py {batch}"}
        del entry["in_force"]
    (tmp_path / "result.json").write_text(json.dumps(written))
    loaded = tuner.load(tmp_path)
    assert loaded.recommended
    for measurement in (*(r.measurement for r in loaded.recommended), loaded.default_measurement):
        assert measurement.in_force.engine == "command"
        assert measurement.in_force.details == {"command": "toy.py {batch}"}


def test_a_study_that_has_not_ended_has_its_trials_and_its_front(study, tmp_path):
    out, result = study
    for name in ("spec.json", "study.db"):
        shutil.copy(out / name, tmp_path / name)
    running = tuner.load(tmp_path)
    assert running.trials == result.trials
    assert running.recommended == ()
    assert running.default == result.default
    best = min(r.values[0] for r in result.trials if r.state == "complete")
    assert best in {p.values["joules_per_request"] for p in running.front}
    assert len(running.front) < len(running.trials)


@pytest.mark.parametrize("broken", ["nothing", "result", "database"])
def test_what_is_no_study_is_refused_in_a_sentence(study, tmp_path, broken):
    out, _ = study
    if broken != "nothing":
        for name in ("spec.json", "study.db", "result.json"):
            shutil.copy(out / name, tmp_path / name)
    if broken == "result":
        (tmp_path / "result.json").write_text('{"recommended": [{}]}')
    if broken == "database":
        (tmp_path / "study.db").write_bytes(b"no database")
    with pytest.raises(UserError, match=r"study"):
        tuner.load(tmp_path)


def test_trials_are_a_table_of_pandas(study):
    out, result = study
    frame = result.to_frame()
    assert list(frame["number"]) == [record.number for record in result.trials]
    failed = frame[frame["state"] == "failed"]
    assert set(failed["cause"]) == {"out_of_memory"}
    assert failed["joules_per_request [J]"].isna().all()
    complete = frame[frame["state"] == "complete"]
    for record, (_, row) in zip(
        [r for r in result.trials if r.state == "complete"], complete.iterrows(), strict=True
    ):
        assert row["joules_per_request [J]"] == record.values[0]
        assert row["feature:batch"] == record.configuration["batch"]
        assert row["feature:mode"] == record.configuration["mode"]
    assert frame["feature:batch"].dtype == "Int64"
    assert frame["joules_per_request [J]"].dtype == "float64"
    read = pd.read_csv(out / "trials.csv")
    assert list(read.columns) == list(frame.columns)
    assert read["feature:batch"].tolist() == frame["feature:batch"].tolist()
