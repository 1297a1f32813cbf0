"""What the server spaces say, on the engines' own readers of arguments.

An engine that is not installed is skipped: installed beside the tuner, it is tested as well.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess

import numpy as np
import pytest

from tuner.engines.registry import known_arguments
from tuner.engines.serving.flavors import server_named
from tuner.space import engine_of, load_model, load_space, unknown_arguments

RICH = {
    "transformers_serve": {
        "accelerator": True, "bitsandbytes_installed": True, "samples_by_itself": True,
    },
    "vllm": {
        "gpus": 8, "fp8_hardware": True, "mixture_of_experts": True, "draft_model_available": True,
    },
    "sglang": {
        "gpus": 8, "fp8_hardware": True, "mixture_of_experts": True, "draft_model_available": True,
        "draft_head_available": True, "tensorrt_hardware": True,
        "flash_attention_3_hardware": True,
    },
    "llama_cpp": {
        "accelerator": True, "gpus": 4, "mixture_of_experts": True, "draft_model_available": True,
    },
}  # fmt: skip


def samples(name, n=200):
    """Arguments of uniform samples of a machine that has everything, and of the default."""
    space = load_space(name, pins=RICH[name])
    drawn = space.decode(space.sample(n, np.random.default_rng(0), uniform=True))
    return [space.arguments(c) for c in [space.default, *drawn]]


def words(launch, arguments):
    """What the server is started with, after its own name."""
    flavor = server_named(launch)
    load = {k: v for k, v in arguments.load.items() if k != "model"}
    command = [*flavor.program, *flavor.subcommand]
    line = flavor.command_line(None, str(arguments.load["model"]), 8000, load)
    return line[len(command) :]


def differences(told, unasked, *, but=("model",)):
    """What of the space's default the engine would do otherwise unasked; None is its own choice."""
    return {
        name: (value, unasked[name])
        for name, value in told.items()
        if name not in but and "." not in name and unasked[name] not in (value, None)
    }


@pytest.mark.parametrize("name", RICH)
def test_the_installed_engine_knows_every_argument(name):
    model = load_model(name)
    unknown = unknown_arguments(model, known_arguments(engine_of(model)))
    if unknown is None:
        pytest.skip("the engine is not installed")
    assert unknown == ()


def test_transformers_serve_reads_every_sample():
    from transformers.cli.transformers import app

    serve = app.commands["serve"]
    drawn = samples("transformers_serve")
    unasked = serve.make_context("serve", ["model"]).params
    assert not differences(drawn[0].load, unasked)
    for arguments in drawn:
        context = serve.make_context("serve", words("transformers", arguments))
        for name, value in arguments.load.items():
            if name != "model" and not name.startswith("no_"):
                assert context.params[name] == value
        assert context.params["continuous_batching"] is bool(
            arguments.load.get("continuous_batching")
        )


def test_transformers_takes_the_generation_settings_of_every_sample():
    from transformers import GenerationConfig

    prefix = "generation_config."
    for arguments in samples("transformers_serve"):
        told = {
            name.removeprefix(prefix): value
            for name, value in arguments.request.items()
            if name.startswith(prefix)
        }
        config = GenerationConfig(**json.loads(json.dumps(told)))
        config.validate(strict=True)
        assert {name: getattr(config, name) for name in told} == told


def test_sglang_reads_every_sample():
    server_args = pytest.importorskip("sglang.srt.server_args", exc_type=ImportError)
    parser = argparse.ArgumentParser()
    server_args.ServerArgs.add_cli_args(parser)
    drawn = samples("sglang")
    assert not differences(drawn[0].load, vars(parser.parse_args(["--model-path", "model"])))
    for arguments in drawn:
        read = vars(parser.parse_args(["--model-path", *words("sglang", arguments)]))
        for name, value in arguments.load.items():
            if name not in ("model", "draft_model"):
                assert read[name] == value, name


def test_vllm_reads_every_sample():
    cli_args = pytest.importorskip("vllm.entrypoints.common.cli_args", exc_type=ImportError)
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    try:
        parser = cli_args.make_arg_parser(FlexibleArgumentParser())
    except RuntimeError as error:
        pytest.skip(f"vLLM reads no arguments without a device: {error}")
    drawn = samples("vllm")
    assert not differences(drawn[0].load, vars(parser.parse_args(["model"])))
    for arguments in drawn:
        read = vars(parser.parse_args(words("vllm", arguments)))
        for name, value in arguments.load.items():
            if name != "model" and "." not in name:
                assert read[name] == value, name


def test_llama_cpp_reads_every_sample():
    server = shutil.which("llama-server")
    if server is None:
        pytest.skip("llama-server is not installed")
    for arguments in samples("llama_cpp", n=50):
        line = [server, *words("llama.cpp", arguments), "--version"]  # read last, and then it ends
        said = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
        assert said.returncode == 0, said.stderr
