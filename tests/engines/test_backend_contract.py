"""Every backend keeps the contract that a study relies on."""

from __future__ import annotations

import importlib.util
import json
import shlex
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
from backend_contract import BackendContract
from stub_server import StubServer

from tuner.engines.command_backend import CommandBackend
from tuner.engines.model_source import model_location
from tuner.engines.serving import machine
from tuner.engines.serving.backends import LaunchedServerBackend, RunningServerBackend
from tuner.engines.transformers_backend import TransformersBackend
from tuner.space import Arguments, load_space

STUB = (sys.executable, str(Path(__file__).with_name("stub_server.py")))


@pytest.mark.slow
class TestTransformers(BackendContract):
    @pytest.fixture
    def backend(self):
        return TransformersBackend(("builtin:small",))

    @pytest.fixture
    def space(self, backend):
        return load_space(
            "transformers", domains={"model": backend.models()}, pins={"max_new_tokens": 16}
        )

    def read_back(self, folder):
        from transformers import GenerationConfig

        config = GenerationConfig.from_pretrained(folder)
        config.validate(strict=True)
        written = json.loads((folder / "engine.json").read_text())
        request = {name: getattr(config, name) for name in written["request"]}
        return Arguments(written["load"], request, written["harness"], written["hardware"])


def words_after_port(script: str) -> tuple[list[str], list[str]]:
    """The words of an exported start, up to the port and after it."""
    line = script.splitlines()[1].removeprefix("exec ")
    words = shlex.split(line)
    at = words.index("--port")
    return words[: at + 2], words[at + 2 :]


def answers_when_started(folder: Path) -> bool:
    """Whether what `serve.sh` starts gets ready; on a free port in place of 8000."""
    port = str(machine.free_port())
    script = (folder / "serve.sh").read_text()
    assert "--port 8000" in script
    (folder / "serve.sh").write_text(script.replace("--port 8000", f"--port {port}"))
    process = subprocess.Popen([folder / "serve.sh"], stdout=subprocess.DEVNULL, stderr=-3)
    try:
        end = time.monotonic() + 60
        while time.monotonic() < end and process.poll() is None:
            try:
                return httpx2.get(f"http://127.0.0.1:{port}/health", trust_env=False).is_success
            except httpx2.HTTPError:
                time.sleep(0.1)
        return False
    finally:
        process.terminate()
        process.wait()


class LaunchedContract(BackendContract):
    def test_what_is_exported_starts(self, backend, engine, space, tmp_path):
        self.exported(backend, space, engine, tmp_path)
        engine.close()
        assert answers_when_started(tmp_path)

    def as_loaded(self, arguments, backend):
        location = model_location(arguments.load["model"])
        return Arguments({**arguments.load, "model": location}, arguments.request, {})


class TestLaunchedServer(LaunchedContract):
    """vLLM's command line and configuration file, on a server of the tests."""

    @pytest.fixture
    def backend(self):
        return LaunchedServerBackend("vllm", ("builtin:small",), STUB)

    @pytest.fixture
    def space(self, backend, tmp_path):
        path = tmp_path / "stub.uvl"
        path.write_text(
            "features\n  Stub {abstract, role 'load'}\n    mandatory\n"
            "      String model {values ['m']}\n"
            "      Integer max_num_seqs {values [8, 16], default 16}\n"
            "      Boolean enable_prefix_caching {arg 'enable_prefix_caching'}\n"
            "      Real temperature {values [0.0, 1.0], default 0.0, role 'request'}\n"
        )
        return load_space(path, domains={"model": backend.models()})

    def read_back(self, folder):
        head, options = words_after_port((folder / "serve.sh").read_text())
        assert head[:2] == [*STUB]
        read = {"--max-num-seqs": int, "--enable-prefix-caching": None}
        load = {"model": head[head.index("serve") + 1]}
        while options:
            name = options.pop(0)
            convert = read[name]
            load[name[2:].replace("-", "_")] = convert(options.pop(0)) if convert else True
        config = dict(line.split(": ", 1) for line in (folder / "config.yaml").open())
        assert {k.replace("-", "_"): json.loads(v) for k, v in config.items()} == {
            **load,
            "model": "builtin:small",
        }
        request = json.loads((folder / "request.json").read_text())
        return Arguments(load, request, {})


@pytest.mark.slow
@pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("fastapi", "uvicorn", "openai")),
    reason="the extra `serve` is not installed",
)
class TestTransformersServe(LaunchedContract):
    """The real server, asked for a built-in model by its alias."""

    @pytest.fixture
    def backend(self):
        return LaunchedServerBackend("transformers", ("builtin:small",))

    def read_back(self, folder):
        from transformers.cli.transformers import app

        head, options = words_after_port((folder / "serve.sh").read_text())
        model = head[head.index("serve") + 1]
        read = app.commands["serve"].make_context("serve", [model, *options]).params
        written = json.loads((folder / "engine.json").read_text())
        load = {name: read[name] for name in written["load"] if name != "model"}
        request = folder / "request.json"
        sent = json.loads(request.read_text()) if request.exists() else {}
        flat = {f"generation_config.{k}": v for k, v in sent.pop("generation_config", {}).items()}
        return Arguments({**load, "model": model}, {**sent, **flat}, {})


class TestRunningServer(BackendContract):
    @pytest.fixture
    def backend(self, tiny_model):
        with StubServer(tiny_model) as stub:
            yield RunningServerBackend(stub.url)

    def unacceptable(self, arguments):
        return Arguments({"max_num_seqs": 8}, arguments.request, arguments.harness)

    def as_loaded(self, arguments, backend):
        return Arguments({}, arguments.request, {})

    def read_back(self, folder):
        path = folder / "request.json"
        return Arguments({}, json.loads(path.read_text()) if path.exists() else {}, {})


PROGRAM = """
import json, sys
print(json.dumps({"mean_e2el_ms": 10.0 * int(sys.argv[1]), "threads": sys.argv[1:]}))
"""


class TestCommand(BackendContract):
    @pytest.fixture
    def backend(self, tmp_path):
        (tmp_path / "bench.py").write_text(PROGRAM)
        return CommandBackend(f"{sys.executable} {tmp_path / 'bench.py'} {{threads}} --mode={{m}}")

    @pytest.fixture
    def space(self, tmp_path):
        path = tmp_path / "bench.uvl"
        path.write_text(
            "features\n  Bench {abstract}\n    mandatory\n"
            "      Integer threads {values [1, 2], default 2}\n"
            "      String mode {values ['a b', 'c'], default 'a b', arg 'm'}\n"
        )
        return load_space(path)

    def unacceptable(self, arguments):
        return replace(arguments, harness={"threads": "many"})

    def as_loaded(self, arguments, backend):
        values = {**arguments.load, **arguments.request, **arguments.harness}
        return Arguments({name: str(value) for name, value in values.items()}, {}, {})

    def read_back(self, folder):
        done = subprocess.run([folder / "command.sh"], capture_output=True, text=True, check=True)
        threads, mode = json.loads(done.stdout)["threads"]
        return Arguments({"threads": threads, "m": mode.removeprefix("--mode=")}, {}, {})
