"""Repeats are few where the outcome is clear, and the noise of one repeat is that of others."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scripted_engine import ScriptedEngine, arguments, task

from tuner.measure import (
    EarlyEnd,
    Measurement,
    MeasurementProtocol,
    Memory,
    Metering,
    Metric,
    dominated_by,
    measure,
)
from tuner.measure.pooled_variance import PooledVariance

QUICK = MeasurementProtocol(
    max_seconds=2.0, max_repeats=4, warmup_seconds=0.0, interval_rel=0.0, max_cv=1e9
)
OBJECTIVES = {"joules_per_request": "min", "mean_e2el_ms": "min", "accuracy": "max"}


def timed(*repeats):
    return Metric(float(np.mean(repeats)), "ms", None, None, None, len(repeats), "clock", repeats)


def between(low, high, source="clock"):
    return Metric((low + high) / 2, "ms", low, high, 0.1, 3, source, ())


def measured(energy, latency, scores):
    accuracy = Metric(float(np.mean(scores)), "1", 0.0, 1.0, 0.1, len(scores), "graded", ())
    metrics = {
        "joules_per_request": between(*energy),
        "mean_e2el_ms": between(*latency),
        "accuracy": accuracy,
    }
    return Measurement(metrics, scores=tuple(scores))


GOOD = measured((1, 2), (10, 20), [1.0, 1.0, 0.0, 0.0])


@pytest.mark.parametrize(
    ("energy", "latency", "scores", "beaten"),
    [
        ((3, 4), (30, 40), [1.0, 0.0, 0.0, 0.0], True),
        ((3, 4), (30, 40), [1.0, 1.0, 0.0, 0.0], True),
        ((3, 4), (30, 40), [0.0, 0.0, 1.0, 1.0], True),
        ((3, 4), (30, 40), [1.0, 1.0, 1.0, 0.0], False),
        ((1.9, 4), (30, 40), [1.0, 0.0, 0.0, 0.0], False),
        ((3, 4), (19, 40), [1.0, 0.0, 0.0, 0.0], False),
        ((3, 4), (30, 40), [0.0, 0.0], False),  # the rest may be answered better
    ],
)
def test_dominated_is_what_is_worse_for_sure_in_everything(energy, latency, scores, beaten):
    verdict = dominated_by([("trial 7", GOOD)], OBJECTIVES, 4)(measured(energy, latency, scores))
    assert verdict == ("dominated by trial 7" if beaten else None)


def test_what_nobody_knows_dominates_nothing():
    worse = measured((3, 4), (30, 40), [0.0] * 4)
    without = Measurement({"accuracy": GOOD.metrics["accuracy"]})
    assert dominated_by([("x", without)], OBJECTIVES, 4)(worse) is None
    assert dominated_by([("x", GOOD)], OBJECTIVES, 4)(without) is None
    once = Measurement({**worse.metrics, "mean_e2el_ms": timed(99.0)}, scores=worse.scores)
    assert dominated_by([("x", GOOD)], OBJECTIVES, 4)(once) is None


def test_more_is_better_where_the_objective_says_so():
    fast, slow = (Measurement({"output_throughput": between(*at)}) for at in ((8, 9), (1, 2)))
    dominated = dominated_by([("trial 1", fast)], {"output_throughput": "max"}, 4)
    assert dominated(slow) == "dominated by trial 1"
    assert dominated_by([("trial 2", slow)], {"output_throughput": "max"}, 4)(fast) is None


def test_pooled_noise_is_that_of_the_repeats_of_all_configurations():
    rng = np.random.default_rng(0)
    variance = PooledVariance()
    for scale in (1.0, 50.0, 1e4):
        variance.learn({"t": timed(*(scale * np.exp(0.1 * rng.standard_normal(200))))})
    once = variance.filled({"t": timed(8.0)})["t"]
    assert once.sem / 8.0 == pytest.approx(0.1, rel=0.1)
    assert math.log(once.high / 8.0) == pytest.approx(1.96 * 0.1, rel=0.1)
    assert math.log(8.0 / once.low) == pytest.approx(1.96 * 0.1, rel=0.1)
    twice = variance.filled({"t": timed(8.0, 8.0)})["t"]
    assert twice.sem == pytest.approx(once.sem / math.sqrt(2))


def test_pooled_noise_leaves_alone_what_it_knows_nothing_of():
    variance = PooledVariance()
    assert variance.filled({"t": timed(8.0)})["t"].sem is None
    variance.learn({"t": timed(1.0, 1.1, 0.9, 1.0, 1.1, 0.9)})
    own = timed(1.0, 2.0, 3.0)
    graded = Metric(0.5, "1", 0.3, 0.7, 0.1, 9, "graded", (0.5,))
    assert variance.filled({"t": own, "accuracy": graded}) == {"t": own, "accuracy": graded}
    assert variance.filled({"other": timed(8.0)})["other"].sem is None


def test_a_clear_loser_is_measured_once_and_the_others_as_often_as_before():
    memory = Memory()
    engine = ScriptedEngine({"slow": {"request_s": 0.02}})
    good = [
        measure(engine, Metering(), arguments(name), task(), QUICK, memory=memory) for name in "abc"
    ]
    dominated = dominated_by([("trial 0", good[0])], OBJECTIVES, 12)
    slow = measure(
        engine,
        Metering(),
        arguments("slow"),
        task(),
        QUICK,
        memory=memory,
        early=EarlyEnd(dominated=dominated),
    )
    assert len(engine.passes("slow")) == 1
    assert slow.validity == "valid"
    assert slow.notes == ("ended early after repeat 1: dominated by trial 0",)
    for name in OBJECTIVES:
        metric = slow.metrics[name]
        assert metric.low <= metric.value <= metric.high
    assert slow.metrics["joules_per_request"].sem > 0
    assert slow.metrics["mean_e2el_ms"].n == 1
    measure(
        engine,
        Metering(),
        arguments("d"),
        task(),
        QUICK,
        memory=memory,
        early=EarlyEnd(dominated=dominated),
    )
    assert len(engine.passes("d")) == 4
    assert Measurement.from_dict(slow.to_dict()) == slow


def test_noise_is_learned_again_from_what_was_kept():
    memory = Memory()
    kept = [
        measure(ScriptedEngine(), Metering(), arguments(), task(), QUICK, memory=memory)
        for _ in range(2)
    ]
    again = Memory(kept)
    once = {"mean_e2el_ms": timed(5.0), "joules_per_request": timed(1.0)}
    assert again.pooled_variance.filled(once) == memory.pooled_variance.filled(once)
