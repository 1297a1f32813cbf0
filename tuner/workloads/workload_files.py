"""A workload from what a user names: a trace, a file of prompts, or a distribution."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from tuner.errors import UserError
from tuner.workloads.bins import sample
from tuner.workloads.distributions import EXAMPLES, draw_trace, is_distribution
from tuner.workloads.prompt_synthesis import Count, Fill, estimated_count
from tuner.workloads.prompts import read_prompts
from tuner.workloads.trace import Trace, poisson, read_trace
from tuner.workloads.workload import Workload, filled

Take = Literal["first", "sample"]
"""Which requests of a trace: the first, as they came, or a sample with the bins' shares."""

Rate = float | Literal["closed"] | None
"""Poisson arrivals of so many a second; `closed` loop; None leaves it to what was given."""


def read_workload(
    text: str,
    *,
    fill: Fill,
    n: int | None = None,
    seed: int = 0,
    scale: float = 1,
    rate: Rate = None,
    take: Take | None = None,
    context: int | None = None,
) -> Workload:
    """Make the requests that a text names.

    Args:
        text: the path of a trace (`.csv`) or of prompts (`.jsonl`), or a distribution like those
            in `EXAMPLES`.
        fill: writes prompts for the lengths of a trace or a distribution.
        n: how many requests, the first of a file of prompts; None takes all (1000 of a
            distribution).
        seed: of the sample, the lengths, the texts and the arrivals.
        scale: what token lengths are divided by.
        rate: replaces the arrivals.
        take: which `n` requests of a trace; None takes the first where their own
            arrivals are kept, since a stretch of time keeps its bursts, and a sample otherwise.
        context: how many tokens prompt and answer may have together; longer requests are
            shortened. None knows no limit.

    Raises:
        UserError: what cannot be read, and how to write it.
    """
    if text.endswith(".jsonl"):
        return _prompts(text, n, seed, scale, rate)
    trace = read_lengths(text, n=n, seed=seed, scale=scale, rate=rate, take=take)
    if context is not None:
        trace, shortened = trace.fitted(context)
        if shortened:
            trace = replace(trace, name=f"{trace.name}, {shortened} shortened to {context} tokens")
    return filled(trace, fill, seed)


def read_lengths(
    text: str,
    *,
    n: int | None = None,
    seed: int = 0,
    scale: float = 1,
    rate: Rate = None,
    take: Take | None = None,
    count: Count = estimated_count,
) -> Trace:
    """The token lengths and arrivals of requests that a text names, as `read_workload` takes them.

    `count` measures prompts of a file; their answers are taken to be `max_tokens` long.

    Raises:
        UserError: what cannot be read, and how to write it.
    """
    if text.endswith(".jsonl"):
        return _measured(_prompts(text, n, seed, scale, rate), text, count)
    _check(n, scale)
    notes: list[str] = []
    if is_distribution(text):
        name, trace = text, draw_trace(text, n or 1000, seed)
    elif text.endswith(".csv"):
        whole = read_trace(text)
        name, trace = whole.name, whole
        if n is not None and n < len(whole):
            first = take == "first" or (take is None and rate is None)
            trace = whole.select(range(n)) if first else sample(whole, n, seed)
            notes.append(f"{'first' if first else 'sample of'} {n}")
    else:
        raise UserError(
            f"{text!r} is no workload: give a trace (a .csv file), prompts (a .jsonl file), or a "
            f"distribution like {EXAMPLES['lognormal']}"
        )
    if scale != 1:
        notes.append(f"lengths / {scale:g}")
        trace = trace.scaled(scale)
    if rate is not None:
        notes.append("closed loop" if rate == "closed" else f"{rate:g}/s")
        trace = trace.arriving(None if rate == "closed" else rate, seed)
    return replace(trace, name=f"{name} ({', '.join(notes)})" if notes else name)


def _measured(work: Workload, path: str, count: Count) -> Trace:
    """The lengths of prompts."""
    outputs = [r.max_tokens for r in work.requests if r.max_tokens is not None]
    if len(outputs) < len(work):
        raise UserError(
            f'{path} does not say how long all answers may be; give each line a number "max_tokens"'
        )
    arrivals = tuple(r.arrival_s for r in work.requests if r.arrival_s is not None)
    inputs = tuple(count(r.prompt) for r in work.requests)
    estimated = " (input lengths estimated)" if count is estimated_count else ""
    return Trace(work.name + estimated, inputs, tuple(outputs), arrivals or None)


def _prompts(text: str, n: int | None, seed: int, scale: float, rate: Rate) -> Workload:
    _check(n, scale)
    if scale != 1:
        raise UserError(f"{text} holds prompts, whose lengths cannot be divided; leave out scale")
    work = read_prompts(text)
    work = work.select(range(min(n or len(work), len(work))))
    if rate is None:
        return work
    arrivals = [None] * len(work) if rate == "closed" else poisson(len(work), rate, seed)
    requests = zip(work.requests, arrivals, strict=True)
    return replace(work, requests=tuple(replace(r, arrival_s=a) for r, a in requests))


def _check(n: int | None, scale: float) -> None:
    if n is not None and n < 1:
        raise UserError(f"a workload of {n} requests is empty; ask for 1 at least")
    if not 0 < scale < float("inf"):
        raise UserError(f"lengths cannot be divided by {scale:g}; give a positive number")
