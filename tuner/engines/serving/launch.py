"""A server that is started from a configuration, and ended."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shlex
import shutil
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import httpx2
import psutil

from tuner.engines import words
from tuner.engines.guarded import GuardedProcess, cannot_be_started
from tuner.engines.serving import machine
from tuner.engines.serving.dialects import LLAMA_CPP, TRANSFORMERS, command_line, dialect_named
from tuner.engines.serving.probe import chat_or_completions, version_of
from tuner.engines.transformers_engine import check_model
from tuner.errors import UserError
from tuner.measure.engine import EngineFailure
from tuner.measure.meters import process_tree

if TYPE_CHECKING:
    from tuner.space.contract import Arguments

_QUIET = {
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    "PYTHONUNBUFFERED": "1",
    "VLLM_NO_USAGE_STATS": "1",
}
_OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
_LOOK_S = 0.2
_PORTS = 3


class Launch:
    """Starts a server, waits until it is ready, and starts another one when it has to differ.

    Args:
        model: a built-in one, a folder, a `.gguf` file or a name on the hub.
        name: of the server.
        command: in place of the usual one.
        device: `cpu` or `cuda`.
        explicit_device: whether the server is told so, where it can be told.
        trust_remote_code: whether Python code that comes with a model may run.
        environment: added to its environment.
        load_s: until it has to be ready.
        end_s: until it is killed when it was asked to end.
        memory_bytes: see `ServerLimits`.

    """

    def __init__(
        self,
        model: str,
        name: str,
        *,
        command: Sequence[str] | None,
        device: str,
        explicit_device: bool,
        trust_remote_code: bool,
        environment: Mapping[str, str],
        load_s: float,
        end_s: float,
        memory_bytes: int | None,
    ) -> None:
        self.dialect = dialect_named(name)
        self.model = model
        self.url = ""
        self._given = model
        self._command = command
        self._device = device
        self._explicit_device = explicit_device
        self._trust_remote_code = trust_remote_code
        self._environment = environment
        self._load_s = load_s
        self._end_s = end_s
        self._memory_bytes = memory_bytes
        self._process: GuardedProcess | None = None
        self._key: Any = None
        self._told: dict[str, Any] = {}
        if self.dialect is TRANSFORMERS and command is None:
            _check_serving_installed()

    @property
    def pids(self) -> tuple[int, ...]:
        """The server, while it runs."""
        return (self._process.pid,) if self._process and self._process.alive else ()

    def check(self) -> None:
        """UserError where the program that starts it is not there."""
        program = (self._command or self.dialect.program)[0]
        if shutil.which(program) is None:
            raise cannot_be_started(program, "no such program")

    def bring_up(self, arguments: Arguments) -> dict[str, Any]:
        """Start it, unless it runs as it should; tell what it is.

        Raises:
            EngineFailure: it does not start.
            UserError: there is no such program or model.
        """
        load = dict(arguments.load)
        key = (load, _fixed_by_first_request(arguments))
        if self.pids and key == self._key:
            return dict(self._told)
        self.close()
        self.model = self._place(str(load.pop("model", self._given)))
        if self.dialect is TRANSFORMERS and self._explicit_device:
            load["device"] = self._device
        if self._trust_remote_code and self.dialect.runs_model_code:
            load["trust_remote_code"] = True
        began = time.monotonic()
        argv = self._start(load)
        self._key = key
        self._told = {
            "engine": self.dialect.name,
            "version": self._version(),
            "command": shlex.join(argv),
            "load": dict(arguments.load),
            "load_s": round(time.monotonic() - began, 3),
        }
        return dict(self._told)

    def guess_api(self) -> str:
        """`chat` where the server takes conversations for this model."""
        with self._client() as client:
            return chat_or_completions(client, self.url, self.model)

    def warnings(self) -> list[str]:
        """The lines of its log that begin like warnings, each once."""
        lines = (line.strip() for line in self.log().splitlines())
        marked = (line for line in lines if line.startswith(("WARNING", "[WARNING", "W ")))
        return list(dict.fromkeys(marked))[-10:]

    def log(self) -> str:
        """The end of what it has written."""
        return self._process.log() if self._process is not None else ""

    def post_mortem(self, patience_s: float) -> EngineFailure | None:
        """What it died of, if it has ended, does so within some seconds, or says that it is ill."""
        if self._process is None:
            return None
        if self._process.wait(patience_s) is None:
            return self._illness(self._process)
        return self._failure(self._process, served=True)

    def close(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.close()
        self._process, self._key = None, None

    def _start(self, load: Mapping[str, Any]) -> list[str]:
        for attempt in range(_PORTS):
            port = machine.free_port()
            argv = command_line(self.dialect, self._command, self.model, port, load)
            self.url = f"http://127.0.0.1:{port}"
            self._process = GuardedProcess(
                argv,
                {**_QUIET, **({} if self._online() else _OFFLINE), **self._environment},
                grace_s=self._end_s,
                memory_bytes=self._memory_limit(),
            )
            try:
                self._wait_until_ready(self._process)
                return argv
            except EngineFailure:
                taken = words.address_in_use(self.log())
                self.close()
                if not taken or attempt == _PORTS - 1:
                    raise
            except BaseException:
                self.close()
                raise
        raise AssertionError

    def _wait_until_ready(self, process: GuardedProcess) -> None:
        deadline = time.monotonic() + self._load_s
        with self._client() as client:
            while time.monotonic() < deadline:
                if not process.alive:
                    raise self._failure(process, served=False)
                try:
                    ready = client.get(f"{self.url}/health").status_code == 200
                except httpx2.HTTPError:
                    ready = False
                if ready and self._listens(process):
                    return
                time.sleep(_LOOK_S)
        last = words.last_words(process.log())
        raise EngineFailure("hang", f"not ready within {self._load_s:g} s: {last}")

    def _listens(self, process: GuardedProcess) -> bool:
        """Whether it is our server that answered, and not another that was faster on this port."""
        owner = machine.listener(self.url)
        return owner is None or owner in {member.pid for member in process_tree((process.pid,))}

    def _failure(self, process: GuardedProcess, *, served: bool) -> EngineFailure:
        status, log = process.status(), process.log()
        how = f"killed by signal {-status}" if status and status < 0 else f"status {status}"
        cause = words.cause_of(log, status, served=served)
        if process.killed_for_memory:
            cause = "out_of_memory"
        return EngineFailure(cause, f"the server ended ({how}): {words.last_words(log)}")

    def _illness(self, process: GuardedProcess) -> EngineFailure | None:
        """A failure where it runs but says itself that it can serve no more."""
        with self._client() as client:
            try:
                health = client.get(f"{self.url}/health")
            except httpx2.HTTPError:
                return None
        if health.status_code == 200:
            return None
        log = process.log()
        told = f"the server is ill ({health.text[:200]}): {words.last_words(log)}"
        return EngineFailure(words.cause_of(log, None, served=True), told)

    def _version(self) -> str | None:
        if self.dialect is TRANSFORMERS:
            return None if self._command else importlib.metadata.version("transformers")
        with self._client() as client:
            return version_of(client, self.url, self.dialect)

    def _client(self) -> httpx2.Client:
        return httpx2.Client(timeout=5.0, trust_env=False, verify=False)

    def _memory_limit(self) -> int | None:
        if self._memory_bytes is None and self._device == "cpu":
            return psutil.virtual_memory().available
        return self._memory_bytes

    def _online(self) -> bool:
        return not os.path.exists(self.model)

    def _place(self, name: str) -> str:
        """Where the model is, in words that the server understands."""
        if name.startswith("builtin:"):
            from tuner.models import model_path

            name = str(model_path(name))
        path = os.path.expanduser(name)
        if self.dialect is LLAMA_CPP:
            if os.path.isdir(path) or (path.endswith(".gguf") and not os.path.isfile(path)):
                raise UserError(f"llama.cpp reads a .gguf file or a name on the hub, not {name}")
        else:
            check_model(name)
        return path if os.path.exists(path) else name


def _fixed_by_first_request(arguments: Arguments) -> Any:
    """What a server takes from its first request and keeps for all others.

    `transformers serve` samples as the first request says while it batches continuously
    (`CBGenerateManager.init_cb` in transformers/cli/serving/utils.py).
    """
    return dict(arguments.request) if arguments.load.get("continuous_batching") else None


def _check_serving_installed() -> None:
    missing = [
        name for name in ("fastapi", "uvicorn", "openai") if importlib.util.find_spec(name) is None
    ]
    if missing:
        raise UserError(
            f"`transformers serve` lacks {', '.join(missing)}: install `llm-pareto-tuner[serve]`"
        )
