"""Whether a space fits the release of the engine that is installed."""

from __future__ import annotations

import stat
from dataclasses import replace

import pytest

from tuner.engines.registry import installed_version, known_arguments
from tuner.space import engine_of, load_model
from tuner.space import unknown_arguments as unknown_of
from tuner.space import version_warning as warning_of

HELP = "  -c, --ctx-size N   size of the context\n      --kv-unified, --no-kv-unified\n"


@pytest.fixture
def llama_server(tmp_path, monkeypatch):
    """A program of that name which tells its version and its options, and no others on the way."""
    program = tmp_path / "llama-server"
    program.write_text(
        "#!/bin/sh\n"
        'if [ "$1" = --version ]; then echo "version: 0.5.2 (build 9000, commit abc)" >&2\n'
        f"else cat <<'END'\n{HELP}END\nfi\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")


def version_warning(model):
    return warning_of(model, installed_version(engine_of(model)))


def unknown_arguments(model):
    return unknown_of(model, known_arguments(engine_of(model)))


def written_for(model, engine, versions):
    attributes = {**model.root.attributes, "engine": engine, "engine_version": versions}
    return replace(model, root=replace(model.root, attributes=attributes))


@pytest.mark.parametrize("name", ["transformers", "transformers_serve"])
def test_the_installed_transformers_is_what_its_spaces_were_written_for(name):
    assert version_warning(load_model(name)) is None
    assert unknown_arguments(load_model(name)) == ()


@pytest.mark.parametrize("versions", [">=4.0,<5", ">=99"])
def test_another_release_is_told_with_both_versions(versions):
    model = written_for(load_model("transformers_serve"), "transformers", versions)
    sentence = version_warning(model)
    assert sentence is not None
    assert "transformers_serve.uvl" in sentence
    assert versions in sentence
    assert str(installed_version("transformers")) in sentence


def test_nothing_is_said_of_an_engine_that_is_not_installed():
    model = written_for(load_model("vllm"), "no-such-engine", ">=1")
    assert installed_version("no-such-engine") is None
    assert version_warning(model) is None
    assert unknown_arguments(model) is None


def test_a_space_that_names_no_engine_is_left_alone():
    for name in ("nvidia_gpu", "openai"):
        assert version_warning(load_model(name)) is None
        assert unknown_arguments(load_model(name)) is None


def test_what_the_engine_does_not_know_is_named():
    model = load_model("transformers_serve")
    wrong = model.with_attributes(
        {
            "cb_block_size": {"arg": "cb_blok_size"},
            "temperature": {"arg": "generation_config.temprature"},
            "max_tokens": {"arg": "max_tokns"},  # of a request: the engine itself answers for it
        }
    )
    assert unknown_arguments(wrong) == ("cb_blok_size", "generation_config.temprature")


def test_llama_cpp_is_asked_for_its_version_and_its_options(llama_server):
    model = load_model("llama_cpp")
    assert installed_version("llama.cpp") == "0.5.2"
    assert version_warning(model) is None
    unknown = unknown_arguments(model)
    assert not {"ctx_size", "kv_unified", "no_kv_unified"} & set(unknown)
    assert "spec_type" in unknown
    assert "max_tokens" not in unknown
