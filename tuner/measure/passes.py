"""One pass of an engine over requests, in a metered window."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tuner.measure.engine_protocol import Completion, Engine, EngineFailure
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

    """

    indices: tuple[int, ...]
    completions: tuple[Completion, ...]
    scores: tuple[float, ...] | None
    reading: Reading
    cpu_s: float
    peak_memory_bytes: int | None
    errors: tuple[str, ...] = ()
    steady: tuple[Completion, ...] = ()

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

    Raises:
        EngineFailure: also where requests got lost, or every single one failed.
    """
    chosen = work.select(indices)
    cpu_before = cpu_seconds(engine.pids)
    meter.start()
    try:
        answers = engine.run(chosen.requests, seed=seed, seconds=seconds)
    finally:
        reading = read_window(meter)
    cpu_s = cpu_seconds(engine.pids) - cpu_before
    if not answers or (seconds is None and len(answers) != len(indices)):
        words = f"{len(answers)} of {len(indices)} requests came back"
        raise EngineFailure("wrong_output", words)
    errors = tuple(answer.error for answer in answers if answer.error is not None)
    if len(errors) == len(answers):
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
    )


def warm_up(
    engine: Engine,
    meter: Meter,
    work: Work,
    seconds: float,
    seed: int,
    concurrency: int | None = None,
) -> Pass:
    """Run the first batch until it no longer gets faster, or for so long; return the last run."""
    began = time.perf_counter()
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
        )
        took = one.reading.seconds
        if took >= _SETTLED * before or time.perf_counter() - began >= seconds:
            return one
        before = took
    raise AssertionError


def joined(one: Pass, other: Pass) -> Pass:
    """Two parts of a pass as one."""
    return Pass(
        indices=one.indices + other.indices,
        completions=one.completions + other.completions,
        scores=None if one.scores is None or other.scores is None else one.scores + other.scores,
        reading=_joined_readings(one.reading, other.reading),
        cpu_s=one.cpu_s + other.cpu_s,
        peak_memory_bytes=(
            None
            if one.peak_memory_bytes is None or other.peak_memory_bytes is None
            else max(one.peak_memory_bytes, other.peak_memory_bytes)
        ),
        errors=one.errors + other.errors,
        steady=one.steady + other.steady,
    )


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


def _joined_readings(one: Reading, other: Reading) -> Reading:
    seconds = one.seconds + other.seconds
    problems = tuple(dict.fromkeys((*one.problems, *other.problems)))
    details = {
        name: (min if name.endswith("_min") else max)(
            r.details[name] for r in (one, other) if name in r.details
        )
        for name in {**one.details, **other.details}
    }
    parts = tuple(
        replace(a, joules=None if a.joules is None or b.joules is None else a.joules + b.joules)
        for a, b in zip(one.parts, other.parts, strict=True)
    )
    if one.joules is None or other.joules is None:
        return Reading(seconds, None, 0.0, problems, details, parts)
    joules = one.joules + other.joules
    wrong_by = one.quantisation_rel * one.joules + other.quantisation_rel * other.joules
    return Reading(seconds, joules, wrong_by / joules, problems, details, parts)
