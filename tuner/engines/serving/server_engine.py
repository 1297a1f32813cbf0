"""Any OpenAI-compatible server as an engine: one that runs, or one that is started."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tuner.engines.serving import machine
from tuner.engines.serving.client import Target, drive
from tuner.engines.serving.flavor import ServerFlavor
from tuner.engines.serving.launched import LaunchedServer
from tuner.engines.serving.model_folder import (
    generation_settings,
    has_chat_template,
    local_folder,
    token_counter,
)
from tuner.engines.serving.response_warnings import response_warnings
from tuner.engines.serving.running import RunningServer
from tuner.engines.serving.stream import RequestOutcome
from tuner.errors import UserError
from tuner.measure import Completion, EngineFailure, InForce, KeepGoing
from tuner.workloads import Request

if TYPE_CHECKING:
    from tuner.space.contract import Arguments

_HARNESS = {"concurrency"}
_KEY = "TUNER_API_KEY"
_DYING_S = 2.0
"""How long after its connections broke a server may be seen to have ended."""


@dataclass(frozen=True)
class ServerLimits:
    """What a server may take before it is given up.

    Attributes:
        load_s: from its start until it is ready.
        run_s: for one call of `run`.
        silence_s: without a piece of an answer; the request then counts as failed.
        end_s: from the request to end until it is killed.
        memory_bytes: of private memory for each process of a launched server, enforced by the
            kernel (RLIMIT_DATA); None sets the limit to what is free when it starts, and none
            with a GPU.

    """

    load_s: float = 900.0
    run_s: float = 1800.0
    silence_s: float = 120.0
    end_s: float = 15.0
    memory_bytes: int | None = None


class ServerEngine:
    """Drives an OpenAI-compatible server over HTTP, with streamed answers.

    A launched server is started anew when arguments of its start change, and ended with all its
    processes on `close`, after a failure, or when this process dies. Of a server that runs
    already, only arguments of requests can be changed.

    Args:
        model: a built-in model, a folder, a `.gguf` file or a name on the hub; for a running
            server the name that it has there, empty if it has only one.
        launch: `vllm`, `sglang`, `llama.cpp` or `transformers`.
        url: of a server that runs, with or without `/v1`. The key that it may want is taken from
            the environment's TUNER_API_KEY.
        command: words that start the server in place of its name, for instance
            `["/opt/vllm/bin/vllm"]`.
        api: `chat`, `completions`, or `auto` for `chat` where the model has a chat template.
        device: `cpu`, `cuda`, or `auto` for a GPU where there is one. Name it for a server in a
            container of this machine, whose processes cannot be seen.
        trust_remote_code: whether Python code that comes with a model may run in a launched server.
        limits: of the server.
        environment: added to the environment of a launched server.
        started_with: the arguments with which the running server of `url` was started, as far as
            the space knows them. Configurations that want others are refused.

    Raises:
        UserError: neither or both of `launch` and `url` are given, or there is no such server.

    """

    def __init__(
        self,
        model: str,
        *,
        launch: str | None = None,
        url: str | None = None,
        command: Sequence[str] | None = None,
        api: Literal["auto", "chat", "completions"] = "auto",
        device: str = "auto",
        trust_remote_code: bool = False,
        limits: ServerLimits | None = None,
        environment: Mapping[str, str] | None = None,
        started_with: Mapping[str, Any] | None = None,
    ) -> None:
        if (launch is None) == (url is None):
            raise UserError("name either a server to launch, or the address of one that runs")
        limits = limits or ServerLimits()
        self._default_device = machine.device() if device == "auto" else device
        self._device = self._default_device
        self._server: LaunchedServer | RunningServer
        if launch is not None:
            self._server = LaunchedServer(
                model,
                launch,
                command=command,
                device=self._default_device,
                explicit_device=device != "auto",
                trust_remote_code=trust_remote_code,
                environment=environment or {},
                load_s=limits.load_s,
                end_s=limits.end_s,
                memory_bytes=limits.memory_bytes,
            )
        else:
            self._server = RunningServer(model, str(url), self._headers(), started_with or {})
        self._limits = limits
        self._asked_device, self._asked_api = device, api
        self._api, self._learned = "", ("", "")
        self._arguments: Arguments | None = None
        self._in_force = InForce()
        self._own_settings: Mapping[str, Any] = {}
        self._count: Callable[[str, bool], int] | None = None
        self._peak_memory_bytes: int | None = None

    @property
    def in_force(self) -> InForce:
        """Server and version, device, model, arguments, what went wrong with requests."""
        return self._in_force

    @property
    def device(self) -> str:
        """`cpu`, `cuda`, or `elsewhere` where the server's processes cannot be seen from here."""
        return self._device

    @property
    def pids(self) -> tuple[int, ...]:
        """The launched server; of a running one its process, where it is on this machine."""
        return self._server.pids

    @property
    def peak_memory_bytes(self) -> int | None:
        """The largest resident sets of the server's processes in the last run; None with a GPU."""
        return self._peak_memory_bytes

    def check(self) -> None:
        """UserError where the running server or the program to launch is not there at all."""
        self._server.check()

    def log(self) -> str:
        """What a launched server has written so far; empty for others."""
        return self._server.log()

    def apply(self, arguments: Arguments, *, keep_going: KeepGoing | None = None) -> InForce:
        """Start the server where it has to be another one, and tell what is in force.

        Raises:
            EngineFailure: it does not start, or it is told what it cannot be told.
            InterruptedRun: `keep_going` said no before the server was ready.
            UserError: the server or the model is not there.
        """
        self._arguments, self._in_force = None, InForce()
        unknown = set(arguments.harness) - _HARNESS
        if unknown:
            raise EngineFailure("refused", f"unknown harness arguments: {', '.join(unknown)}")
        if int(arguments.harness.get("concurrency", 1)) < 1:
            raise EngineFailure("refused", "concurrency must be at least 1")
        on_cpu = self._asked_device == "auto" and arguments.load.get("device") == "cpu"
        self._device = "cpu" if on_cpu else self._default_device
        in_force = self._server.bring_up(arguments, keep_going)
        if self._asked_device == "auto" and not self.pids:
            self._device = "elsewhere"
        self._learn_model()
        self._arguments = arguments
        self._in_force = replace(
            in_force,
            device=self._device,
            gpus=tuple(machine.gpus_of(self.pids)) if self._device == "cuda" else (),
            arguments={**in_force.arguments, **arguments.harness},
            request=dict(arguments.request),
            warnings=tuple(self._server.warnings()),
            details={**in_force.details, "api": self._api},
        )
        return self._in_force

    def run(
        self,
        requests: Sequence[Request],
        *,
        seed: int,
        seconds: float | None = None,
        keep_going: KeepGoing | None = None,
    ) -> list[Completion]:
        """Ask the requests: `harness['concurrency']` at once, or as they arrive.

        Where requests have arrivals, `concurrency` bounds how many are in flight; what a request
        waits for counts in its times. None begins after `seconds`, save the first ones.

        Raises:
            EngineFailure: the server ended, no request got an answer, or `run_s` is over.
        """
        if self._arguments is None:
            raise EngineFailure("crash", "the engine is not running: apply a configuration first")
        target = Target(
            f"{self._server.url}/v1/{'chat/' if self._api == 'chat' else ''}completions",
            {} if isinstance(self._server, LaunchedServer) else self._headers(),
            proxies=not machine.is_local(self._server.url),
            silence_s=self._limits.silence_s,
            count=self._count,
        )
        concurrency = self._arguments.harness.get("concurrency")
        reset = machine.reset_peaks(self.pids) if self._device == "cpu" else False
        outcomes = _run(
            self._within_limit(
                drive(
                    target,
                    requests,
                    [self._body(request, seed + i) for i, request in enumerate(requests)],
                    concurrency=None if concurrency is None else int(concurrency),
                    seconds=seconds,
                    keep_going=keep_going,
                )
            )
        )
        self._peak_memory_bytes = machine.peak_memory(self.pids) if reset else None
        self._judge(requests, outcomes)
        return [outcome.completion for outcome in outcomes]

    def close(self) -> None:
        """End a launched server; leave a running one as it is."""
        self._server.close()
        self._arguments, self._in_force = None, InForce()

    def __enter__(self) -> ServerEngine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def _flavor(self) -> ServerFlavor:
        return self._server.flavor

    @property
    def _paged(self) -> bool:
        load = self._arguments.load if self._arguments is not None else {}
        return self._flavor.batches_continuously(load)

    def _headers(self) -> dict[str, str]:
        key = os.environ.get(_KEY)
        return {"authorization": f"Bearer {key}"} if key else {}

    def _learn_model(self) -> None:
        """Find the model's own settings, its tokenizer, and whether it is for chat."""
        server = (self._server.model, self._server.url)
        if server == self._learned:
            return
        folder: Path | None = local_folder(self._server.model)
        self._own_settings = generation_settings(folder) if folder else {}
        self._count = token_counter(folder) if folder else None
        if self._asked_api != "auto":
            self._api = self._asked_api
        elif folder is not None:
            self._api = "chat" if has_chat_template(folder) else "completions"
        else:
            self._api = self._server.guess_api()
        self._learned = server

    def _body(self, request: Request, seed: int) -> dict[str, Any]:
        assert self._arguments is not None
        return self._flavor.request_body(
            self._api,
            self._server.model,
            request,
            self._arguments.request,
            seed=seed & 0x7FFFFFFF,
            paged=self._paged,
            own_settings=self._own_settings,
        )

    async def _within_limit(
        self, work: Coroutine[Any, Any, list[RequestOutcome]]
    ) -> list[RequestOutcome]:
        try:
            async with asyncio.timeout(self._limits.run_s):
                return await work
        except TimeoutError:
            self._give_up()
            words = f"run: no end within {self._limits.run_s:g} s"
            raise EngineFailure("hang", words) from None

    def _judge(self, requests: Sequence[Request], outcomes: Sequence[RequestOutcome]) -> None:
        """Note what went wrong; raise where it makes the whole run worthless."""
        broken = [outcome for outcome in outcomes if outcome.cause is not None]
        crashed = any(outcome.cause == "crash" for outcome in broken)
        if broken and (failure := self._server.post_mortem(_DYING_S if crashed else 0.0)):
            self._give_up()
            raise failure
        if broken and len(broken) == len(outcomes):
            cause = Counter(outcome.cause for outcome in broken).most_common(1)[0][0]
            assert cause is not None
            words = next(o.completion.error for o in broken if o.cause == cause)
            if cause in ("hang", "out_of_memory", "crash"):
                self._give_up()
            raise EngineFailure(cause, f"all {len(broken)} requests failed: {words}")
        warnings = (
            *self._server.warnings(),
            *response_warnings(requests, outcomes),
            *self._unheeded(requests),
        )
        self._in_force = replace(self._in_force, warnings=warnings)

    def _unheeded(self, requests: Sequence[Request]) -> list[str]:
        if all(self._flavor.can_lengthen(request, paged=self._paged) for request in requests):
            return []
        return ["the server cannot be told the least length of an answer"]

    def _give_up(self) -> None:
        """Make the next `apply` start another server."""
        self._server.close()
        self._arguments = None


def _run(work: Coroutine[Any, Any, list[RequestOutcome]]) -> list[RequestOutcome]:
    """Run it here, or in a thread of its own where an event loop runs already (a notebook)."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()
