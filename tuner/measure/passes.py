"""One pass of an engine over requests, in a metered window."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tuner.measure.engine_protocol import (
    Completion,
    Engine,
    EngineFailure,
    InterruptedRun,
    KeepGoing,
)
from tuner.measure.foreign_load import ForeignLoad, ProcessorTimes
from tuner.measure.meters import Meter, Reading, cpu_seconds, read_window
from tuner.workloads import Work

Grade = Callable[[Sequence[int], Sequence[str]], tuple[float, ...] | None]
"""Scores of answers to the requests of these indices; None where nobody knows the right ones."""

_SETTLED = 0.9
"""A warm-up batch that takes at least this share of the one before shows that speed has settled."""

_STEADY_SHARE = 0.5
"""Ramp-up and drain are left out where at least this share of the requests is left."""


@dataclass(frozen=True)
class Pass:
    """One pass over requests of the work.

    Attributes:
        indices: which requests were answered, in the order in which they were asked.
        completions: their answers.
        scores: of the answers, in [0, 1]; None where nobody knows the right ones.
        reading: what the meter said.
        cpu_s: CPU time of the engine's processes, in seconds.
        peak_memory_bytes: of the engine; None where unknown.
        errors: of the requests that failed, in the engine's words.
        steady: the completions whose times count: all of them, or those between ramp-up and drain.
        foreign: what other programs did meanwhile; None where unknown.

    A pass that was given up before anything was answered has no completions.
    """

    indices: tuple[int, ...]
    completions: tuple[Completion, ...]
    scores: tuple[float, ...] | None
    reading: Reading
    cpu_s: float
    peak_memory_bytes: int | None
    errors: tuple[str, ...] = ()
    steady: tuple[Completion, ...] = ()
    foreign: ForeignLoad | None = None

    @property
    def n_asked(self) -> int:
        """Requests that were begun, failed ones included."""
        return len(self.completions) + len(self.errors)


def run_pass(
    engine: Engine,
    meter: Meter,
    work: Work,
    indices: Sequence[int],
    *,
    seed: int,
    seconds: float | None = None,
    concurrency: int | None = None,
    grade: Grade | None = None,
    keep_going: KeepGoing | None = None,
) -> Pass:
    """One metered pass over requests of the work, or over as many as begin within `seconds`.

    Args:
        engine: with a configuration in force.
        meter: for what it runs on.
        work: the requests.
        indices: which of them, in order.
        seed: of sampled answers.
        seconds: none begins later; None for no limit.
        concurrency: how many requests of a closed loop are under way at a time; None for batches
            and for open loops.
        grade: in place of the work's own grading.
        keep_going: ends the pass in the middle of a batch; then it holds what was answered before.

    Raises:
        EngineFailure: also where requests got lost, or every single one failed.
    """
    chosen = work.select(indices)
    given_up = False

    def watch() -> bool:
        nonlocal given_up
        try:
            given_up = (keep_going is not None and not keep_going()) or given_up
        except InterruptedRun:
            given_up = True
            raise
        return not given_up

    times_before = ProcessorTimes.now(engine.pids)
    cpu_before = cpu_seconds(engine.pids)
    meter.start()
    try:
        answers = engine.run(chosen.requests, seed=seed, seconds=seconds, keep_going=watch)
    finally:
        reading = read_window(meter)
    cpu_s = cpu_seconds(engine.pids) - cpu_before
    foreign = ForeignLoad.between(times_before, ProcessorTimes.now(engine.pids))
    if not given_up and (not answers or (seconds is None and len(answers) != len(indices))):
        words = f"{len(answers)} of {len(indices)} requests came back"
        raise EngineFailure("wrong_output", words)
    errors = tuple(answer.error for answer in answers if answer.error is not None)
    if answers and len(errors) == len(answers):
        raise EngineFailure("crash", f"all {len(errors)} requests failed: {most_frequent(errors)}")
    answered = [i for i, answer in zip(indices, answers, strict=False) if answer.error is None]
    completions = tuple(answer for answer in answers if answer.error is None)
    texts = [completion.text for completion in completions]
    return Pass(
        indices=tuple(answered),
        completions=completions,
        scores=grade(answered, texts) if grade else work.select(answered).grade(texts),
        reading=reading,
        cpu_s=cpu_s,
        peak_memory_bytes=engine.peak_memory_bytes,
        errors=errors,
        steady=_steady(answers, concurrency),
        foreign=foreign,
    )


def warm_up(
    engine: Engine,
    meter: Meter,
    work: Work,
    *,
    settle_s: float,
    longest_s: float,
    seed: int,
    concurrency: int | None = None,
    keep_going: KeepGoing | None = None,
) -> float | None:
    """Run the first batch until it no longer gets faster.

    Args:
        engine: with a configuration in force.
        meter: for what it runs on.
        work: the requests.
        settle_s: no further run of the batch begins after that.
        longest_s: a run of the batch is given up after that: so much of it warms up as well.
        seed: of sampled answers.
        concurrency: see `run_pass`.
        keep_going: ends it at once.

    Returns:
        seconds of the last run; None where it was given up.
    """
    began = time.monotonic()

    def within() -> bool:
        return (keep_going is None or keep_going()) and time.monotonic() - began < longest_s

    before = float("inf")
    for i in itertools.count():
        one = run_pass(
            engine,
            meter,
            work,
            range(len(work)),
            seed=seed + i,
            seconds=0.0,
            concurrency=concurrency,
            keep_going=within,
        )
        if not one.n_asked:
            return None
        took = one.reading.seconds
        if took >= _SETTLED * before or time.monotonic() - began >= settle_s:
            return took
        before = took
    raise AssertionError


def without_energy(one: Pass, why: str) -> Pass:
    """A pass whose joules do not count, and the reason."""
    problems = (*one.reading.problems, why)
    return replace(one, reading=replace(one.reading, joules=None, problems=problems))


def most_frequent(words: Sequence[str]) -> str:
    """The words said most often, the first of them where several are."""
    return max(dict.fromkeys(words), key=words.count)


def _steady(answers: Sequence[Completion], concurrency: int | None) -> tuple[Completion, ...]:
    """Answers begun neither in the first burst of a closed loop nor while it empties.

    The first `concurrency` requests all come at once, and the last ones run beside fewer and fewer
    others.
    """
    ends = concurrency or 0
    if len(answers) - 2 * ends < _STEADY_SHARE * len(answers):
        ends = 0
    steady = tuple(c for c in answers[ends : len(answers) - ends] if c.error is None)
    return steady or tuple(c for c in answers if c.error is None)
