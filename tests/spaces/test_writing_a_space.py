"""What docs/writing-a-space.md says is so."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from tuner.errors import UserError
from tuner.features import read_uvl
from tuner.space import Knowledge, SearchSpace, load_space

TEXT = (Path(__file__).parents[2] / "docs" / "writing-a-space.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture
def scribe(tmp_path, monkeypatch):
    (tmp_path / "scribe.uvl").write_text(blocks("uvl")[1])
    monkeypatch.chdir(tmp_path)


def test_every_file_on_the_page_is_a_space():
    first, last, _ = (SearchSpace.from_model(read_uvl(text)) for text in blocks("uvl"))
    names = {p.name for p in first.parameters}
    assert {"batch_size", "precision", "decoding", "beams", "use_cache_limit"} <= names
    assert last.default == last.configuration({"decoding": "Greedy", "workers": 8})


def test_what_the_page_expects_is_what_it_says():
    space = SearchSpace.from_model(read_uvl(blocks("uvl")[2]))

    def effect(kind, **values):
        code = space.encode([space.configuration(values)])
        return float(Knowledge.of(space, kind).total(code)[0])

    assert round(math.exp(effect("energy", batch_size=2)), 2) == 0.62
    assert math.exp(effect("energy", decoding="Beams")) == pytest.approx(1.8)
    assert math.exp(effect("latency", quick_start=True)) == pytest.approx(1 / 1.2)
    assert effect("accuracy", precision="int4") == pytest.approx(-0.05)


def test_the_contradiction_reads_as_shown(scribe):
    with pytest.raises(UserError) as error:
        load_space("scribe.uvl", pins={"decoding": "Draft", "batch_size": 8})
    assert str(error.value) == blocks("text")[0].strip()


def test_arguments_are_told_by_role(scribe):
    space = load_space("scribe.uvl")
    arguments = space.arguments(space.configuration({"beams": 4}))
    assert arguments.load == {"dtype": "full", "workers": 8}
    assert arguments.request == {"batch_size": 1, "mode": "beam", "num_beams": 4}
    assert [p.name for p in space.parameters if p.restart] == ["workers"]
    assert space.configuration({"beams": 4, "cache_limit": 256}) == space.configuration(
        {"beams": 4}
    )


@pytest.mark.slow
def test_the_scripts_run(scribe, capsys):
    names: dict[str, object] = {}
    for script in blocks("python"):
        exec(compile(script, "writing-a-space.md", "exec"), names)
    assert "num_beams" in capsys.readouterr().out
