"""Servers: streamed pieces, requests that fail, goodput, closed loops and open ones."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest
from scripted_engine import ScriptedEngine, arguments, task

from tuner.measure import Completion, MeasurementProtocol, Metering, TurnTaking, measure
from tuner.workloads import Request

QUICK = MeasurementProtocol(
    max_seconds=2.0, max_repeats=3, warmup_seconds=0.0, interval_rel=0.0, max_cv=1e9
)


class Server(ScriptedEngine):
    """Answers at once; the completion of request `p7` is `completions[7]`, or the usual one."""

    def __init__(self, completions=None, second=0.01):
        super().__init__()
        self.completions = completions or {}
        self.second = second

    def run(self, requests, *, seed, seconds=None, keep_going=None):
        if seconds == 0.0:
            return [USUAL]
        if seconds is not None:
            requests = [r for r in requests if (r.arrival_s or 0.0) <= seconds]
        self.calls.append(("run", "a", tuple(requests), seed, seconds))
        time.sleep(self.second)
        sum(range(20_000))  # so that there is CPU time to estimate energy from
        return [self.completions.get(int(r.prompt[1:]), USUAL) for r in requests]


USUAL = Completion("yes", 10, 5, 0.1, 0.3, 0.3, "stop", (0.05, 0.05, 0.05, 0.05))
FAILED = replace(USUAL, text="", error="HTTP 503: overloaded", ttft_s=9.0, latency_s=9.0)


@dataclass(frozen=True)
class Ungraded:
    """Requests whose right answers nobody knows."""

    requests: tuple[Request, ...]
    name: str = "ungraded"

    def __len__(self):
        return len(self.requests)

    def select(self, indices):
        return Ungraded(tuple(self.requests[i] for i in indices))

    def grade(self, completions):
        return None


def concurrent(n):
    return SimpleNamespace(load={"model": "a"}, request={}, harness={"concurrency": n})


def values(measurement):
    return {name: metric.value for name, metric in measurement.metrics.items()}


def test_throughputs_and_gaps_between_pieces_are_those_of_vllm():
    measurement = measure(Server(), Metering(), arguments(), task(10), QUICK)
    value = values(measurement)
    window = measurement.energy.window_s
    each = measurement.metrics["request_throughput"].repeats
    assert np.mean([10 / r for r in each]) == pytest.approx(window)
    assert value["output_throughput"] == pytest.approx(5 * value["request_throughput"])
    assert value["total_token_throughput"] == pytest.approx(15 * value["request_throughput"])
    for name in ("mean", "median", "p90", "p99"):
        assert value[f"{name}_itl_ms"] == pytest.approx(50)


def test_gaps_are_pooled_over_requests():
    slow = replace(USUAL, gaps_s=(0.45,))
    measurement = measure(Server({0: slow}), Metering(), arguments(), task(10), QUICK)
    assert values(measurement)["mean_itl_ms"] == pytest.approx((9 * 4 * 50 + 450) / 37)
    silent = {i: replace(USUAL, gaps_s=()) for i in range(10)}
    assert (
        "mean_itl_ms"
        not in measure(Server(silent), Metering(), arguments(), task(10), QUICK).metrics
    )


def test_goodput_counts_the_requests_that_meet_every_level():
    late = replace(USUAL, ttft_s=0.2)
    long = replace(USUAL, last_token_s=0.9, latency_s=0.9)
    alone = replace(USUAL, n_output_tokens=1, last_token_s=0.1, latency_s=0.1)
    engine = Server({0: late, 1: long, 2: alone})
    for goodput, good in (
        ({"ttft": 150}, 9),
        ({"tpot": 100}, 9),
        ({"e2el": 500}, 9),
        ({"ttft": 150, "tpot": 100, "e2el": 500}, 8),
        ({"ttft": 1}, 0),
    ):
        protocol = replace(QUICK, goodput=goodput)
        value = values(measure(engine, Metering(), arguments(), task(10), protocol))
        assert value["request_goodput"] == pytest.approx(good / 10 * value["request_throughput"])
    assert (
        "request_goodput" not in measure(engine, Metering(), arguments(), task(10), QUICK).metrics
    )
    untold = {0: replace(USUAL, ttft_s=None)}
    protocol = replace(QUICK, goodput={"ttft": 150})
    assert (
        "request_goodput"
        not in measure(Server(untold), Metering(), arguments(), task(5), protocol).metrics
    )
    for wrong in ({"itl": 5}, {"ttft": 0}):
        with pytest.raises(ValueError, match="ttft, tpot, e2el"):
            MeasurementProtocol(goodput=wrong)


def test_failed_requests_count_in_no_time_token_or_score():
    good = measure(Server(), Metering(), arguments(), task(10), QUICK)
    some = measure(Server({3: FAILED, 5: FAILED}), Metering(), arguments(), task(10), QUICK)
    assert some.validity == "suspect"
    assert "6 of 30 requests failed: HTTP 503: overloaded" in some.reasons
    for name in ("mean_e2el_ms", "p99_ttft_ms", "mean_tpot_ms", "mean_output_tokens", "accuracy"):
        assert values(some)[name] == values(good)[name]
    assert some.metrics["accuracy"].n == len(some.scores) == 8
    window = some.metrics["request_throughput"].repeats[0]
    assert some.metrics["output_throughput"].repeats[0] == pytest.approx(5 * window)
    assert 8 / window < 10 / window


def test_requests_that_all_fail_are_a_failure():
    measurement = measure(
        Server(dict.fromkeys(range(10), FAILED)), Metering(), arguments(), task(10), QUICK
    )
    assert measurement.failure.cause == "crash"
    assert "requests failed: HTTP 503: overloaded" in measurement.failure.message


def test_requests_that_get_lost_are_wrong_output():
    class Loses(Server):
        def run(self, requests, *, seed, seconds=None, keep_going=None):
            completions = super().run(requests, seed=seed, seconds=seconds, keep_going=keep_going)
            return completions if seconds is not None else completions[:-1]

    measurement = measure(Loses(), Metering(), arguments(), task(10), QUICK)
    assert measurement.failure.cause == "wrong_output"
    assert measurement.failure.message == "9 of 10 requests came back"


def test_ungraded_work_has_no_accuracy():
    work = Ungraded(tuple(Request(f"p{i}") for i in range(10)))
    measurement = measure(Server(), Metering(), arguments(), work, QUICK)
    assert measurement.validity == "valid"
    assert "accuracy" not in measurement.metrics
    assert measurement.scores == ()


def test_times_of_a_closed_loop_leave_out_ramp_up_and_drain_but_nothing_else_does():
    ends = {i: replace(USUAL, latency_s=5.0) for i in (0, 1, 10, 11)}
    value = values(measure(Server(ends), Metering(), concurrent(2), task(12), QUICK))
    assert value["p99_e2el_ms"] == pytest.approx(300)
    assert value["output_throughput"] == pytest.approx(5 * value["request_throughput"])
    goodput = values(
        measure(
            Server(ends),
            Metering(),
            concurrent(2),
            task(12),
            replace(QUICK, goodput={"e2el": 1000}),
        )
    )
    assert goodput["request_goodput"] == pytest.approx(8 / 12 * goodput["request_throughput"])
    # Too few would be left in between, so all count.
    value = values(measure(Server(ends), Metering(), concurrent(4), task(12), QUICK))
    assert value["mean_e2el_ms"] == pytest.approx((4 * 5000 + 8 * 300) / 12)


def arrivals(n, gap_s=0.02):
    return Ungraded(tuple(Request(f"p{i}", arrival_s=i * gap_s) for i in range(n)))


def test_an_open_loop_is_one_window_from_its_first_request_on():
    engine = Server()
    measurement = measure(engine, Metering(), concurrent(2), arrivals(12), QUICK)
    asked = [[r.prompt for r in call[2]] for call in engine.passes()]
    assert asked == [[f"p{i}" for i in range(12)]] * 3
    assert measurement.validity == "valid"
    engine = Server(second=0.8)
    protocol = replace(QUICK, max_seconds=1.0)
    cut = measure(engine, Metering(), arguments(), arrivals(200), protocol)
    (call,) = engine.passes()
    assert call[2][0].prompt == "p0"
    assert cut.metrics["mean_e2el_ms"].n == 1
    assert any("of 200 prompts were answered" in reason for reason in cut.reasons) == (
        len(call[2]) < 50
    )


def test_a_window_of_an_open_loop_is_all_of_it():
    engine = Server()
    turns = TurnTaking(engine, Metering(), arrivals(6), QUICK)
    for block in range(3):
        for name in "ab":
            turns.window(name, arguments(name), range(6), seed=block)
    assert [len(call[2]) for call in engine.passes()] == [6] * 6


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"min_tokens": 6}, "30 of 30 answers have fewer tokens than were asked for"),
        ({"max_tokens": 4}, "30 of 30 answers have more tokens than were asked for"),
        ({"min_tokens": 5, "max_tokens": 5}, None),
    ],
)
def test_answers_of_another_length_than_asked_for_are_suspect(request_, words):
    work = Ungraded(tuple(Request(f"p{i}", **request_) for i in range(10)))
    measurement = measure(Server(), Metering(), arguments(), work, QUICK)
    assert measurement.reasons == ((words,) if words else ())
