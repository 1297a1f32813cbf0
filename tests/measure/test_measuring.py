"""The protocol: what is run, how often, in which order, and what comes of a failure."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest
from scripted_engine import ScriptedEngine, arguments, task

from tuner.measure import (
    EarlyEnd,
    EngineFailure,
    InterruptedRun,
    Limit,
    Loading,
    Measurement,
    MeasurementProtocol,
    Metering,
    Repeat,
    TurnTaking,
    WarmUp,
    Window,
    combined,
    measure,
)

QUICK = MeasurementProtocol(max_seconds=2.0, max_repeats=4, warmup_seconds=0.1, interval_rel=0.0)


def test_every_metric_has_unit_source_and_one_value_a_repeat():
    measurement = measure(ScriptedEngine(), Metering(), arguments(), task(), QUICK)
    assert measurement.failure is None
    for name, metric in measurement.metrics.items():
        assert metric.unit, name
        assert metric.source in ("clock", "estimated", "graded"), name
        assert len(metric.repeats) == 4, name
        assert metric.low <= metric.value <= metric.high, name
    value = {name: metric.value for name, metric in measurement.metrics.items()}
    assert value["mean_e2el_ms"] == pytest.approx(2.0)
    assert value["mean_ttft_ms"] == pytest.approx(1.0)
    assert value["mean_tpot_ms"] == pytest.approx(0.25)
    assert value["mean_output_tokens"] == 5
    assert value["accuracy"] == 1
    assert value["joules_per_request"] == pytest.approx(value["energy_j"] / 12)
    assert value["joules_per_output_token"] == pytest.approx(value["energy_j"] / 60)
    assert measurement.metrics["energy_j"].source == "estimated"
    assert measurement.energy.energy_source == "estimated"
    assert measurement.energy.parameters == {"watts_per_core": 4.0}
    assert measurement.energy.window_s >= 0.012
    assert 0 < measurement.setup_seconds < measurement.seconds
    assert Measurement.from_dict(json.loads(json.dumps(measurement.to_dict()))) == measurement


def test_what_no_request_tells_is_left_out_and_never_zero():
    measurement = measure(ScriptedEngine(), Metering(), arguments(), task(), QUICK)
    assert "peak_memory_mb" not in measurement.metrics
    assert "energy_net_j" not in measurement.metrics


def test_repeats_go_on_until_the_intervals_are_narrow_enough():
    for interval_rel, n in ((1e9, 3), (0.0, 4)):
        protocol = MeasurementProtocol(max_seconds=2.0, max_repeats=4, interval_rel=interval_rel)
        measurement = measure(ScriptedEngine(), Metering(), arguments(), task(), protocol)
        assert measurement.metrics["mean_e2el_ms"].n == n


def test_each_pass_samples_with_another_seed_and_all_seeds_come_from_ours():
    engines = [ScriptedEngine() for _ in range(3)]
    for engine, seed in zip(engines, (1, 1, 2), strict=True):
        measure(engine, Metering(), arguments(), task(), QUICK, seed=seed)
    seeds = [[call[3] for call in engine.passes()] for engine in engines]
    assert len(set(seeds[0])) == 4
    assert seeds[0] == seeds[1]
    assert not set(seeds[0]) & set(seeds[2])


def test_a_slow_configuration_answers_a_part_of_the_prompts_in_each_pass():
    protocol = MeasurementProtocol(max_seconds=0.9, warmup_seconds=0.0, interval_rel=0.0)
    engine = ScriptedEngine({"a": {"request_s": 0.02}})
    measurement = measure(engine, Metering(), arguments(), task(40), protocol)
    passes = engine.passes()
    size = len(passes[1][2])
    assert size < 40
    assert all(len(call[2]) == size for call in passes[1:])
    asked = [request.prompt for call in passes for request in call[2][:size]]
    assert asked == [f"p{i % 40}" for i in range(len(passes) * size)]
    answered = min(40, len(asked))
    assert measurement.metrics["accuracy"].n == len(measurement.scores) == answered


def test_a_configuration_far_too_slow_answers_one_batch_and_is_suspect():
    engine = ScriptedEngine({"a": {"request_s": 0.2}})
    protocol = MeasurementProtocol(max_seconds=0.3, patience=1.0)
    measurement = measure(engine, Metering(), arguments(), task(), protocol)
    assert [call[0] for call in engine.calls] == ["apply", "run", "run"]
    assert measurement.validity == "suspect"
    assert "only 2 of 12 prompts" in measurement.reasons[0]
    assert measurement.metrics["mean_e2el_ms"].value == pytest.approx(400)
    assert measurement.metrics["mean_e2el_ms"].low is None


def test_the_interval_of_sampled_accuracy_is_over_prompts_not_repeats():
    right = {"a": {"answer": lambda prompt, seed: "yes" if int(prompt[1:]) < 9 else "no"}}
    few = measure(ScriptedEngine(right), Metering(), arguments(), task(), QUICK)
    more = measure(
        ScriptedEngine(right),
        Metering(),
        arguments(),
        task(),
        MeasurementProtocol(min_repeats=10, warmup_seconds=0.0),
    )
    for measurement in (few, more):
        accuracy = measurement.metrics["accuracy"]
        assert (accuracy.value, accuracy.n) == (0.75, 12)
        assert measurement.scores == (1.0,) * 9 + (0.0,) * 3
    assert few.metrics["accuracy"].low == more.metrics["accuracy"].low


def test_a_failure_becomes_an_observation_with_its_cause():
    def fail(run):
        raise EngineFailure("out_of_memory", "cannot allocate 7 EiB")

    measurement = measure(
        ScriptedEngine({"a": {"fail": fail}}), Metering(), arguments(), task(), QUICK
    )
    assert measurement.metrics == {}
    assert measurement.validity == "invalid"
    assert measurement.failure.cause == "out_of_memory"
    assert measurement.failure.message == "cannot allocate 7 EiB"
    assert Measurement.from_dict(json.loads(json.dumps(measurement.to_dict()))) == measurement


def test_answers_that_are_all_empty_are_wrong_output():
    engine = ScriptedEngine({"a": {"answer": lambda prompt, seed: " "}})
    measurement = measure(engine, Metering(), arguments(), task(), QUICK)
    assert measurement.failure.cause == "wrong_output"
    assert "all 48 answers are empty" in measurement.failure.message


@pytest.mark.parametrize(
    ("in_force", "words"),
    [
        ({"arguments": {"batch_size": 1}}, "batch_size=2 was asked for, but 1 is in force"),
        ({"warnings": ("`top_k` will be ignored",)}, "`top_k` will be ignored"),
    ],
)
def test_settings_that_are_not_in_force_make_a_measurement_suspect(in_force, words):
    engine = ScriptedEngine({"a": {"in_force": in_force}})
    measurement = measure(engine, Metering(), arguments(), task(), MeasurementProtocol(max_cv=1e9))
    assert measurement.validity == "suspect"
    assert words in measurement.reasons[0]


def test_repeats_that_do_not_agree_make_a_measurement_suspect():
    measurement = measure(
        _Unsteady(), Metering(), arguments(), task(), MeasurementProtocol(max_repeats=3)
    )
    assert measurement.validity == "suspect"
    assert any("mean_e2el_ms varied by" in reason for reason in measurement.reasons)


class _Unsteady(ScriptedEngine):
    """Each run takes twice as long as the one before."""

    def run(self, requests, *, seed, seconds=None, keep_going=None):
        self.script = {"a": {"request_s": 0.0005 * 2 ** self.runs.get("a", 0)}}
        return super().run(requests, seed=seed, seconds=seconds, keep_going=keep_going)


def test_tokens_that_were_not_counted_make_a_measurement_invalid():
    class Uncounted(ScriptedEngine):
        def run(self, requests, *, seed, seconds=None, keep_going=None):
            from dataclasses import replace

            completions = super().run(requests, seed=seed, seconds=seconds, keep_going=keep_going)
            return [replace(c, n_output_tokens=0) for c in completions]

    measurement = measure(Uncounted(), Metering(), arguments(), task(), QUICK)
    assert measurement.validity == "invalid"
    assert "text but no tokens" in measurement.reasons[0]


def turn_taking(engine, protocol=QUICK, **more):
    return TurnTaking(engine, Metering(), task(), protocol, **more)


def windows_of(engine, names, blocks, size=4):
    turns = turn_taking(engine)
    found = {name: [] for name in names}
    for block in range(blocks):
        indices = tuple((block * size + i) % 12 for i in range(size))
        for name in names:
            measurement = turns.window(name, arguments(name), indices, seed=block)
            found[name].append(Window(block, indices, measurement))
    return found


def test_a_window_answers_the_requests_it_is_asked_with_the_seed_of_its_block():
    engine = ScriptedEngine()
    found = windows_of(engine, "ab", 3)
    asked = [(call[1], [r.prompt for r in call[2]], call[3]) for call in engine.passes()]
    assert asked == [("a", [f"p{block * 4 + i}" for i in range(4)], block) for block in range(3)]
    for name in "ab":
        for window in found[name]:
            assert window.measurement.in_force.model_asked == name
            assert all(
                metric.n == 1 for n, metric in window.measurement.metrics.items() if n != "accuracy"
            )
            assert not any("prompts were answered" in r for r in window.measurement.reasons)


def test_windows_together_have_a_repeat_for_each_and_are_scaled_by_the_difficulty():
    (a,) = windows_of(ScriptedEngine(), "a", 7).values()
    hard = [replace(w, difficulty=2.0) for w in a]
    plain, scaled = combined(a), combined(hard, scores=[1.0] * 12)
    for name in ("joules_per_request", "mean_e2el_ms"):
        assert plain.metrics[name].n == 7
        assert scaled.metrics[name].value == pytest.approx(plain.metrics[name].value / 2)
        assert plain.metrics[name].low <= plain.metrics[name].value <= plain.metrics[name].high
    assert plain.metrics["request_throughput"] == scaled.metrics["request_throughput"]
    assert plain.metrics["accuracy"].n == 7
    assert scaled.metrics["accuracy"].n == 12
    assert Window.from_dict(json.loads(json.dumps(hard[0].to_dict()))) == hard[0]


def test_what_is_still_warm_is_not_warmed_up_again():
    engine = ScriptedEngine()
    windows_of(engine, "ab", 3)
    for name in "ab":
        runs = [call for call in engine.calls if call[:2] == ("run", name)]
        warm_ups = [call[4] == 0.0 for call in runs]
        first = warm_ups.index(False)
        assert first >= 1
        assert not any(warm_ups[first:])


def test_a_configuration_that_fails_in_a_window_leaves_the_others_alone():
    def fail(run):
        if run >= 4:
            raise EngineFailure("crash", "gone")

    engine = ScriptedEngine({"b": {"fail": fail}})
    found = windows_of(engine, "ab", 5)
    assert combined(found["b"]).failure.cause == "crash"
    assert combined(found["a"]).failure is None


def test_a_window_that_is_to_be_given_up_raises():
    engine = ScriptedEngine({"a": {"request_s": 0.02}})
    ends = time.monotonic() + 0.1
    turns = turn_taking(engine, keep_going=lambda: time.monotonic() < ends)
    with pytest.raises(InterruptedRun):
        turns.window("a", arguments("a"), range(12), seed=0)


def test_a_measurement_is_cut_when_it_is_to_end_and_keeps_what_it_has():
    engine = ScriptedEngine({"a": {"request_s": 0.01}})
    ends = time.monotonic() + 0.5
    protocol = MeasurementProtocol(
        max_seconds=60, warmup_seconds=0.0, max_repeats=100, min_repeats=50
    )
    cut = measure(
        engine,
        Metering(),
        arguments(),
        task(),
        protocol,
        keep_going=lambda: time.monotonic() < ends,
    )
    assert time.monotonic() < ends + 0.2
    assert cut.failure is None
    assert cut.metrics["mean_e2el_ms"].n >= 1
    assert any("no time for more" in note for note in cut.notes)
    with pytest.raises(InterruptedRun):
        measure(engine, Metering(), arguments(), task(), protocol, keep_going=lambda: False)


def test_a_configuration_beyond_a_limit_is_ended_in_mid_batch_and_gives_bounds():
    engine = ScriptedEngine({"a": {"request_s": 0.3}})
    early = EarlyEnd(limits=[Limit("mean_e2el_ms", "min", 100.0)])
    protocol = MeasurementProtocol(max_seconds=2.0, warmup_seconds=0.0)
    ended = measure(engine, Metering(), arguments(), task(), protocol, early=early)
    assert ended.failure is None
    assert not ended.metrics
    assert ended.bounds["mean_e2el_ms"] >= 100
    assert ended.bounds["joules_per_request"] > 0
    assert Measurement.from_dict(ended.to_dict()) == ended
    whole = measure(ScriptedEngine(), Metering(), arguments(), task(), protocol, early=early)
    assert whole.metrics
    assert not whole.bounds


def test_a_slow_contender_answers_every_prompt_and_a_loser_does_not():
    protocol = MeasurementProtocol(max_seconds=0.2, warmup_seconds=0.0, patience=20.0)
    slow = {"a": {"request_s": 0.02}}
    contender = measure(ScriptedEngine(slow), Metering(), arguments(), task(40), protocol)
    assert len(contender.scores) == len(contender.prompt_seconds) == 40
    early = EarlyEnd(contends=lambda so_far: False)
    loser = measure(ScriptedEngine(slow), Metering(), arguments(), task(40), protocol, early=early)
    assert 0 < len(loser.scores) < 40


def test_progress_is_told():
    phases = []
    measure(ScriptedEngine(), Metering(), arguments(), task(), QUICK, on_phase=phases.append)
    assert phases[:3] == [Loading(), WarmUp(), Repeat(1, 4)]


def test_a_protocol_that_makes_no_sense_is_refused():
    for wrong in ({"min_repeats": 0}, {"min_repeats": 5, "max_repeats": 4}, {"max_seconds": 0}):
        with pytest.raises(ValueError, match="max_"):
            MeasurementProtocol(**wrong)


@pytest.mark.slow
def test_a_real_model_is_measured_end_to_end(tiny_model):
    from types import SimpleNamespace

    from tuner.engines import TransformersEngine
    from tuner.tasks import builtin_task

    def of(**request):
        return SimpleNamespace(
            load={"model": tiny_model},
            request={"max_new_tokens": 8, **request},
            harness={"batch_size": 8, "threads": 1},
        )

    with TransformersEngine() as engine:
        chosen = builtin_task(n=16)
        good = measure(engine, Metering(), of(num_beams=2), chosen, QUICK)
        assert good.failure is None
        assert good.metrics["peak_memory_mb"].value > 10
        assert "mean_tpot_ms" not in good.metrics
        assert good.in_force.request["num_beams"] == 2
        bad = measure(engine, Metering(), of(top_k=-1, do_sample=True), chosen, QUICK)
        assert bad.failure.cause == "refused"
        empty = measure(
            engine, Metering(), of(suppress_tokens=list(range(2)) + list(range(3, 46))), chosen
        )
        assert empty.failure.cause == "wrong_output"


@pytest.mark.parametrize(
    ("n", "batch", "batch_s", "size"),
    [
        (40, 1, 0.01, 40),  # everything fits three times
        (40, 1, 1.2, 2),
        (40, 1, None, 1),  # a batch takes longer than was waited for
        (40, 32, None, 40),
        (128, 32, None, 32),
        (128, 32, 1.0, 64),
    ],
)
def test_blocks_are_of_whole_batches_and_about_as_long_as_leaves_time_for_three(
    n, batch, batch_s, size
):
    assert MeasurementProtocol(max_seconds=8.0).block_size(n, batch, batch_s) == size
