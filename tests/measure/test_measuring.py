"""The protocol: what is run, how often, in which order, and what comes of a failure."""

from __future__ import annotations

import json

import pytest
from scripted_engine import ScriptedEngine, arguments, task

from tuner.measure import (
    EngineFailure,
    InterleavedRound,
    Loading,
    Measurement,
    MeasurementProtocol,
    Metering,
    Repeat,
    WarmUp,
    measure,
    measure_interleaved,
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


def test_a_configuration_far_too_slow_is_run_once_and_suspect():
    engine = ScriptedEngine({"a": {"request_s": 0.2}})
    measurement = measure(
        engine, Metering(), arguments(), task(), MeasurementProtocol(max_seconds=0.3)
    )
    assert [call[0] for call in engine.calls] == ["apply", "run"]
    assert measurement.validity == "suspect"
    assert "warm-up had to be the measurement" in measurement.reasons[0]
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

    def run(self, requests, *, seed, seconds=None):
        self.script = {"a": {"request_s": 0.0005 * 2 ** self.runs.get("a", 0)}}
        return super().run(requests, seed=seed, seconds=seconds)


def test_tokens_that_were_not_counted_make_a_measurement_invalid():
    class Uncounted(ScriptedEngine):
        def run(self, requests, *, seed, seconds=None):
            from dataclasses import replace

            completions = super().run(requests, seed=seed, seconds=seconds)
            return [replace(c, n_output_tokens=0) for c in completions]

    measurement = measure(Uncounted(), Metering(), arguments(), task(), QUICK)
    assert measurement.validity == "invalid"
    assert "text but no tokens" in measurement.reasons[0]


def test_interleaving_goes_forth_and_back_in_changing_order_with_shared_seeds():
    engine = ScriptedEngine()
    names = ["a", "b", "c"]
    measurements = measure_interleaved(
        engine,
        Metering(),
        [arguments(name) for name in names],
        task(),
        QUICK,
        rounds=6,
        turns=2,
        seed=1,
    )
    runs = [call for call in engine.calls if call[0] == "run" and call[4] != 0.0]
    rounds = [runs[i : i + 6] for i in range(0, 36, 6)]
    assert len(runs) == 36
    orders = [[call[1] for call in one] for one in rounds]
    assert all(sorted(order[:3]) == names and order == order[::-1] for order in orders)
    assert len({tuple(order) for order in orders}) > 1
    for one in rounds:
        forth, back = one[:3], one[3:]
        assert {call[2] for call in forth} == {task().requests[:6]}
        assert {call[2] for call in back} == {task().requests[6:]}
        assert len({call[3] for call in forth}) == len({call[3] for call in back}) == 1
    assert len({call[3] for call in runs}) == 12
    for name, measurement in zip(names, measurements, strict=True):
        assert measurement.in_force.model_asked == name
        assert measurement.metrics["joules_per_request"].n == 6
        assert measurement.metrics["accuracy"].n == 12


@pytest.mark.parametrize(
    ("batch_size", "turns", "parts"),
    [(5, 2, [10, 2]), (5, 4, [5, 5, 2]), (2, 4, [4, 4, 4]), (12, 4, [12]), (2, 1, [12])],
)
def test_the_turns_of_a_round_are_of_whole_batches(batch_size, turns, parts):
    engine = ScriptedEngine()
    odd = arguments()
    odd.harness["batch_size"] = batch_size
    (one,) = measure_interleaved(engine, Metering(), [odd], task(), QUICK, rounds=2, turns=turns)
    assert [len(call[2]) for call in engine.passes()] == 2 * parts
    assert one.metrics["mean_e2el_ms"].n == 2
    assert one.metrics["accuracy"].n == 12


def test_what_is_still_warm_is_not_warmed_up_again():
    engine = ScriptedEngine()
    both = [arguments("a"), arguments("b")]
    measure_interleaved(engine, Metering(), both, task(), QUICK, rounds=3)
    for name in "ab":
        warm_ups = [c for c in engine.calls if c[:2] == ("run", name) and c[4] == 0.0]
        assert len(warm_ups) == len([c for c in engine.calls[:10] if c in warm_ups])


def test_a_slow_configuration_takes_parts_of_the_prompts_in_turn_when_interleaved():
    engine = ScriptedEngine({"a": {"request_s": 0.02}})
    protocol = MeasurementProtocol(max_seconds=0.2, warmup_seconds=0.0)
    (slow,) = measure_interleaved(
        engine, Metering(), [arguments()], task(40), protocol, rounds=2, turns=2
    )
    size = len(engine.passes()[1][2])
    assert size < 20
    asked = [request.prompt for call in engine.passes() for request in call[2][:size]]
    assert asked == [f"p{i % 40}" for i in range(4 * size)]
    assert slow.metrics["accuracy"].n == min(40, 4 * size)


def test_a_configuration_that_fails_leaves_the_other_rounds_alone():
    def fail(run):
        if run >= 4:
            raise EngineFailure("crash", "gone")

    engine = ScriptedEngine({"b": {"fail": fail}, "c": {"refuse": "no"}})
    names = ["a", "b", "c"]
    a, b, c = measure_interleaved(
        engine, Metering(), [arguments(name) for name in names], task(), QUICK, rounds=5
    )
    assert a.metrics["mean_e2el_ms"].n == 5
    assert (b.failure.cause, c.failure.cause) == ("crash", "refused")
    assert engine.runs["b"] == 4
    assert engine.calls.count(("apply", "c")) == 1


def test_progress_is_told():
    phases = []
    measure(ScriptedEngine(), Metering(), arguments(), task(), QUICK, on_phase=phases.append)
    assert phases[:3] == [Loading(), WarmUp(), Repeat(1, 4)]
    measure_interleaved(
        ScriptedEngine(),
        Metering(),
        [arguments()],
        task(),
        QUICK,
        rounds=2,
        on_phase=phases.append,
    )
    assert phases[-1] == InterleavedRound(2, 2, 1)


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
        slow, fast = measure_interleaved(
            engine, Metering(), [of(num_beams=4), of()], chosen, QUICK, rounds=3
        )
        assert slow.metrics["joules_per_request"].value > fast.metrics["joules_per_request"].value
