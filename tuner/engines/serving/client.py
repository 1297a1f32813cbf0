"""Asks a server many requests, so many at once or as they arrive, and times the answers."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx2

from tuner.engines.serving.stream import (
    BrokenResponseError,
    RequestOutcome,
    StreamedResponse,
    failed,
    refusal,
)
from tuner.measure.engine_protocol import InterruptedRun, KeepGoing
from tuner.workloads import Request

_LOOK_S = 0.1
"""How often it is asked whether to go on."""


@dataclass(frozen=True)
class Target:
    """Where and how to ask.

    Attributes:
        url: of the endpoint.
        headers: for instance with a key.
        proxies: whether the environment's proxies are used; never for an address of this machine.
        silence_s: an answer from which nothing has come for so long is given up.
        count: counts tokens where the server tells none.

    """

    url: str
    headers: Mapping[str, str]
    proxies: bool
    silence_s: float
    count: Callable[[str, bool], int] | None


async def drive(
    target: Target,
    requests: Sequence[Request],
    bodies: Sequence[Mapping[str, Any]],
    *,
    concurrency: int | None,
    seconds: float | None,
    keep_going: KeepGoing | None = None,
) -> list[RequestOutcome]:
    """Ask the requests in their order and wait for all answers.

    Times count from a request's arrival where it has one (what it waits for its turn included), or
    else from when it is sent.

    Args:
        target: the server.
        requests: with arrivals (an open loop), or with none at all (a closed one).
        bodies: what is sent for each.
        concurrency: so many at once; None lets each go as it arrives, or one after the other.
        seconds: none begins after that, except for those that go first.
        keep_going: once it says no or raises `InterruptedRun`, the open streams are closed.

    Returns:
        outcomes of the requests that began: the first ones of the list. Those whose streams were
        closed are left out, and with them all that come later in the list.
    """
    is_open = any(request.arrival_s is not None for request in requests)
    arrivals = list(itertools.accumulate((r.arrival_s or 0.0 for r in requests), max))
    at_once = min(len(requests), concurrency or (len(requests) if is_open else 1))
    first = 1 if is_open else at_once
    content = [json.dumps(body).encode() for body in bodies]
    turns = iter(range(len(requests)))
    outcomes: dict[int, RequestOutcome] = {}
    client = _client(target)
    began = time.perf_counter()

    async def ask_in_turn() -> None:
        for i in turns:
            now = time.perf_counter() - began
            start = max(arrivals[i], now) if is_open else now
            if seconds is not None and start >= seconds and i >= first:
                return
            if start > now:
                await asyncio.sleep(start - now)
            since = began + arrivals[i] if is_open else time.perf_counter()
            outcomes[i] = await _ask(client, target, requests[i].prompt, content[i], since)

    async with client, asyncio.TaskGroup() as group:
        tasks = [group.create_task(ask_in_turn()) for _ in range(at_once)]
        if keep_going is not None:
            while not all(task.done() for task in tasks):
                await asyncio.wait(tasks, timeout=_LOOK_S)
                if not _goes_on(keep_going):
                    for task in tasks:
                        task.cancel()
                    break
    return [outcomes[i] for i in itertools.takewhile(outcomes.__contains__, itertools.count())]


def _goes_on(keep_going: KeepGoing) -> bool:
    try:
        return keep_going()
    except InterruptedRun:
        return False


async def _ask(
    client: httpx2.AsyncClient, target: Target, prompt: str, content: bytes, since: float
) -> RequestOutcome:
    answer = StreamedResponse(since, prompt, target.count)
    loop = asyncio.get_running_loop()
    try:
        async with (
            asyncio.timeout(target.silence_s) as silence,
            client.stream("POST", target.url, content=content) as response,
        ):
            if response.status_code != 200:
                raise refusal(response.status_code, await response.aread())
            async for data in response.aiter_raw():
                if answer.take(data, time.perf_counter()):
                    silence.reschedule(loop.time() + target.silence_s)
        return answer.outcome(time.perf_counter())
    except BrokenResponseError as broken:
        return failed(broken.cause, str(broken), time.perf_counter() - since)
    except TimeoutError:
        words = f"nothing came for {target.silence_s:g} s"
        return failed("hang", words, time.perf_counter() - since)
    except (httpx2.HTTPError, httpx2.StreamError) as error:
        words = f"the connection broke: {str(error) or type(error).__name__}"
        return failed("crash", words, time.perf_counter() - since)


def _client(target: Target) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(
        headers={
            "content-type": "application/json",
            "accept": "text/event-stream",
            "accept-encoding": "identity",  # a compressed stream comes in larger pieces
            **target.headers,
        },
        timeout=None,  # `silence_s` it is
        limits=httpx2.Limits(max_connections=None, keepalive_expiry=2.0),
        trust_env=target.proxies,
        verify=target.url.startswith("https"),
    )
