"""Requests from files of JSON lines."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from tuner.errors import UserError
from tuner.workloads.jsonl import json_object, lines, prompt_in
from tuner.workloads.request import Request
from tuner.workloads.workload import Workload

_EXAMPLE = '{"prompt": "Tell me a story.", "max_tokens": 64}'


def read_prompts(path: str | Path) -> Workload:
    """Read requests from a file with one JSON object a line.

    Keys: `prompt` (text), `max_tokens` and `min_tokens` (whole numbers from 1, optional),
    `arrival_s` (seconds, optional; of all requests or none, and in order). Other keys and empty
    lines are skipped, so that files of graded prompts serve as well, ungraded.

    Raises:
        UserError: naming file and line, and what to write instead.
    """
    path = Path(path)
    requests: list[Request] = []
    for number, line in enumerate(lines(path, "prompts file"), start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        request = _parse(line, where)
        if requests:
            _check_order(requests[-1], request, where)
        requests.append(request)
    if not requests:
        raise UserError(f"{path} has no prompts; write one JSON object a line: {_EXAMPLE}")
    return Workload(path.stem, tuple(requests)).select(range(len(requests)))


def _parse(line: str, where: str) -> Request:
    entry = json_object(line, where, _EXAMPLE)
    prompt = prompt_in(entry, where, _EXAMPLE)
    most, least = (_tokens(entry, key, where) for key in ("max_tokens", "min_tokens"))
    if most is not None and least is not None and least > most:
        raise UserError(f'{where}: "min_tokens" {least} is more than "max_tokens" {most}')
    return Request(prompt, most, least, _arrival(entry.get("arrival_s"), where))


def _tokens(entry: dict[str, Any], key: str, where: str) -> int | None:
    n = entry.get(key)
    if n is not None and (not isinstance(n, int) or isinstance(n, bool) or n < 1):
        raise UserError(f'{where}: "{key}" must be a whole number from 1, as in {_EXAMPLE}')
    return n


def _arrival(seconds: Any, where: str) -> float | None:
    if seconds is None:
        return None
    plain = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not plain or not math.isfinite(seconds):
        raise UserError(f'{where}: "arrival_s" must be a number of seconds')
    return float(seconds)


def _check_order(before: Request, after: Request, where: str) -> None:
    if before.arrival_s is None and after.arrival_s is None:
        return
    if before.arrival_s is None or after.arrival_s is None:
        raise UserError(f'{where}: give "arrival_s" to every prompt or to none')
    if after.arrival_s < before.arrival_s:
        raise UserError(f'{where}: "arrival_s" is before the line above; sort the file by it')
