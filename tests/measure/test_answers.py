"""Answers are graded once, and reused where they are truly equal."""

from __future__ import annotations

import pytest
from scripted_engine import ScriptedEngine, arguments, task

from tuner.measure import MeasurementProtocol, Memory, Metering, measure

QUICK = MeasurementProtocol(
    max_seconds=2.0, max_repeats=3, warmup_seconds=0.0, interval_rel=0.0, max_cv=1e9
)


class Counted:
    """Work that counts how many answers it was asked to grade."""

    def __init__(self, work, count=None):
        self.work = work
        self.count = [] if count is None else count

    name = "counted"

    def __len__(self):
        return len(self.work)

    @property
    def requests(self):
        return self.work.requests

    def select(self, indices):
        return Counted(self.work.select(indices), self.count)

    def grade(self, completions):
        self.count += completions
        return self.work.grade(completions)


def right(*names):
    return lambda prompt, seed: "yes" if prompt in names else "no"


def test_no_answer_is_graded_twice():
    work, memory = Counted(task()), Memory()
    engine = ScriptedEngine({"b": {"answer": right("p3")}})
    measure(engine, Metering(), arguments("a"), work, QUICK, memory=memory)
    graded = len(work.count)
    assert work.count.count("yes") <= 12 + 2  # and the two of the warm-up
    measurement = measure(engine, Metering(), arguments("b"), work, QUICK, memory=memory)
    assert work.count[graded:].count("no") <= 11 + 2
    assert measurement.scores == tuple(float(i == 3) for i in range(12))


def slow_after(engine_s):
    return MeasurementProtocol(
        max_seconds=engine_s, warmup_seconds=0.0, max_repeats=3, max_cv=1e9, patience=1.0
    )


def test_answers_that_time_did_not_allow_are_those_of_a_configuration_that_answers_alike():
    memory = Memory()
    answer = right(*(f"p{i}" for i in range(0, 40, 3)))
    script = {"fast": {"answer": answer}, "slow": {"answer": answer, "request_s": 0.02}}
    engine = ScriptedEngine(script)
    fast = measure(
        engine, Metering(), arguments("fast"), task(40), QUICK, memory=memory, answers_key="k"
    )
    assert fast.notes == ()
    alone = measure(engine, Metering(), arguments("slow"), task(40), slow_after(0.6))
    assert 8 <= len(alone.scores) < 40
    shared = measure(
        engine,
        Metering(),
        arguments("slow"),
        task(40),
        slow_after(0.6),
        memory=memory,
        answers_key="k",
    )
    assert shared.scores == fast.scores
    assert shared.metrics["accuracy"].n == 40
    assert shared.metrics["accuracy"].value == fast.metrics["accuracy"].value
    assert "graded answers are those of another configuration" in shared.notes[0]
    other = measure(
        engine,
        Metering(),
        arguments("slow"),
        task(40),
        slow_after(0.6),
        memory=memory,
        answers_key="other",
    )
    assert len(other.scores) < 40


@pytest.mark.parametrize("tokens", [5, 9])
def test_answers_that_differ_are_not_reused_and_said_to_differ(tokens):
    from dataclasses import replace

    class Longer(ScriptedEngine):
        def run(self, requests, *, seed, seconds=None, keep_going=None):
            completions = super().run(requests, seed=seed, seconds=seconds, keep_going=keep_going)
            if self.in_force.model_asked == "b":
                completions = [replace(c, n_output_tokens=tokens) for c in completions]
            return completions

    memory = Memory()
    engine = Longer({"b": {"answer": right("p3")}})
    measure(engine, Metering(), arguments("a"), task(), QUICK, memory=memory, answers_key="k")
    mine = measure(
        engine, Metering(), arguments("b"), task(), QUICK, memory=memory, answers_key="k"
    )
    assert mine.scores == tuple(float(i == 3) for i in range(12))
    assert "11 of 12 answers differ" in mine.notes[0]
    assert mine.validity == ("valid" if tokens == 5 else "suspect")
    assert any("have 108 tokens" in reason for reason in mine.reasons) == (tokens == 9)


def test_sampled_answers_are_not_shared():
    memory = Memory()
    sampled = {"a": {"answer": lambda prompt, seed: f"{seed % 7} yes"}}
    for _ in range(2):
        measurement = measure(
            ScriptedEngine(sampled),
            Metering(),
            arguments(),
            task(),
            QUICK,
            memory=memory,
            answers_key="k",
        )
        assert "in different ways: none reused" in measurement.notes[0]
