"""`tune workload energy`: one figure for a workload, and what it is made of."""

from __future__ import annotations

import json
import sys

import pytest

from tuner.cli import main


def tune(capsys, monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["tune", "workload", "energy", *words])
    with pytest.raises(SystemExit) as caught:
        main()
    shown = capsys.readouterr()
    return caught.value.code or 0, shown.out, shown.err


@pytest.mark.slow
def test_the_bins_add_up_to_the_workload(capsys, monkeypatch):
    words = ["uniform:input=4/40,output=1/12", "-n", "40", "--scale", "32", "--rounds", "2"]
    status, out, err = tune(capsys, monkeypatch, *words, "--model", "builtin:small", "--json")
    assert status == 0, err
    told = json.loads(out)
    assert told["requests"] == 40
    assert told["batches"] == pytest.approx(10)
    assert sum(one["joules"] for one in told["bins"]) == pytest.approx(told["joules"])
    assert told["low"] <= told["joules"] <= told["high"]
    assert told["source"] == "estimated"
    for one in told["bins"]:
        assert one["batch_low"] <= one["batch_joules"] <= one["batch_high"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["fixed:input=8,output=4", "--model", "./missing"], "./missing"),
        (["missing.csv", "--model", "builtin:small"], "missing.csv"),
        (["lots", "--model", "builtin:small"], "lots"),
    ],
)
def test_a_mistake_is_a_sentence(capsys, monkeypatch, words, says):
    status, _, err = tune(capsys, monkeypatch, *words)
    assert status == 2
    assert says in err
    assert "Traceback" not in err
