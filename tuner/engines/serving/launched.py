"""A server that is started from a configuration, and ended."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import httpx2
import psutil

from tuner.engines import failure_log
from tuner.engines.serving import machine
from tuner.engines.serving.flavors import server_named
from tuner.engines.serving.probe import chat_or_completions
from tuner.engines.supervised import SupervisedProcess, cannot_be_started
from tuner.measure import EngineFailure, InForce, InterruptedRun, KeepGoing
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


class LaunchedServer:
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
        self.flavor = server_named(name)
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
        self._process: SupervisedProcess | None = None
        self._key: Any = None
        self._in_force = InForce()
        if command is None:
            self.flavor.check_installed()

    @property
    def pids(self) -> tuple[int, ...]:
        """The server, while it runs."""
        return (self._process.pid,) if self._process and self._process.alive else ()

    def check(self) -> None:
        """UserError where the program that starts it is not there."""
        program = (self._command or self.flavor.program)[0]
        if shutil.which(program) is None:
            raise cannot_be_started(program, "no such program")

    def bring_up(self, arguments: Arguments, keep_going: KeepGoing | None = None) -> InForce:
        """Start it, unless it runs as it should; tell what is in force.

        Raises:
            EngineFailure: it does not start.
            InterruptedRun: `keep_going` said no before it was ready.
            UserError: there is no such program or model.
        """
        load = dict(arguments.load)
        key = (load, self.flavor.fixed_by_first_request(arguments))
        if self.pids and key == self._key:
            return self._in_force
        self.close()
        options = dict(load)
        asked = str(options.pop("model", self._given))
        self.model = self.flavor.locate_model(asked)
        if self._explicit_device:
            options |= self.flavor.device_options(self._device)
        if self._trust_remote_code and self.flavor.runs_model_code:
            options["trust_remote_code"] = True
        began = time.monotonic()
        command_line = self._start(options, keep_going)
        self._key = key
        self._in_force = InForce(
            engine=self.flavor.name,
            version=self._version(),
            model_asked=asked,
            model_loaded=self.model,
            arguments=load,
            command_line=tuple(command_line),
            details={"load_s": round(time.monotonic() - began, 3)},
        )
        return self._in_force

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

    def _start(self, load: Mapping[str, Any], keep_going: KeepGoing | None) -> list[str]:
        for attempt in range(_PORTS):
            port = machine.free_port()
            argv = self.flavor.command_line(self._command, self.model, port, load)
            self.url = f"http://127.0.0.1:{port}"
            self._process = SupervisedProcess(
                argv,
                {**_QUIET, **({} if self._online() else _OFFLINE), **self._environment},
                grace_s=self._end_s,
                memory_bytes=self._memory_limit(),
            )
            try:
                self._wait_until_ready(self._process, keep_going)
                return argv
            except EngineFailure:
                taken = failure_log.address_in_use(self.log())
                self.close()
                if not taken or attempt == _PORTS - 1:
                    raise
            except BaseException:
                self.close()
                raise
        raise AssertionError

    def _wait_until_ready(self, process: SupervisedProcess, keep_going: KeepGoing | None) -> None:
        deadline = time.monotonic() + self._load_s
        with self._client() as client:
            while time.monotonic() < deadline:
                if keep_going is not None and not keep_going():
                    raise InterruptedRun
                if not process.alive:
                    raise self._failure(process, served=False)
                try:
                    ready = client.get(f"{self.url}/health").status_code == 200
                except httpx2.HTTPError:
                    ready = False
                if ready and self._listens(process):
                    return
                time.sleep(_LOOK_S)
        last = failure_log.error_excerpt(process.log())
        raise EngineFailure("hang", f"not ready within {self._load_s:g} s: {last}")

    def _listens(self, process: SupervisedProcess) -> bool:
        """Whether it is our server that answered, and not another that was faster on this port."""
        owner = machine.listener(self.url)
        return owner is None or owner in {member.pid for member in process_tree((process.pid,))}

    def _failure(self, process: SupervisedProcess, *, served: bool) -> EngineFailure:
        status, log = process.status(), process.log()
        how = f"killed by signal {-status}" if status and status < 0 else f"status {status}"
        cause = failure_log.classify_failure(log, status, served=served)
        if process.killed_for_memory:
            cause = "out_of_memory"
        return EngineFailure(cause, f"the server ended ({how}): {failure_log.error_excerpt(log)}")

    def _illness(self, process: SupervisedProcess) -> EngineFailure | None:
        """A failure where it runs but says itself that it can serve no more."""
        with self._client() as client:
            try:
                health = client.get(f"{self.url}/health")
            except httpx2.HTTPError:
                return None
        if health.status_code == 200:
            return None
        log = process.log()
        told = f"the server is ill ({health.text[:200]}): {failure_log.error_excerpt(log)}"
        return EngineFailure(failure_log.classify_failure(log, None, served=True), told)

    def _version(self) -> str | None:
        """As it tells, or else what is installed of the program that was started."""
        with self._client() as client:
            told = self.flavor.running_version(client, self.url)
        if told is not None or self._command is not None:
            return told
        return self.flavor.installation().version

    def _client(self) -> httpx2.Client:
        return httpx2.Client(timeout=5.0, trust_env=False, verify=False)

    def _memory_limit(self) -> int | None:
        if self._memory_bytes is None and self._device == "cpu":
            return psutil.virtual_memory().available
        return self._memory_bytes

    def _online(self) -> bool:
        return not os.path.exists(self.model)
