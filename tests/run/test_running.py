"""The pieces of a whole study: what is asked, what can be reused, and drift taken out."""

from __future__ import annotations

import json
import sys

import pytest

from tuner import UserError, tune
from tuner.measure import Measurement, Metric
from tuner.run.answer_reuse import answers_key
from tuner.run.drift_correction import EVERY_S, DriftCorrection
from tuner.run.request_set import read_requests
from tuner.run.setup import set_up
from tuner.space import load_space
from tuner.study import StudySpec


def metric(value, unit="ms", rel=0.01):
    reach = 1.96 * rel * value
    return Metric(value, unit, value - reach, value + reach, rel * value, 4, "clock", (value,) * 4)


def measured(slow=1.0):
    return Measurement(
        {
            "mean_e2el_ms": metric(100 * slow),
            "p99_ttft_ms": metric(40 * slow),
            "joules_per_request": metric(2.0, "J"),
            "request_throughput": metric(10 / slow, "req/s"),
            "accuracy": Metric(0.9, "1", 0.8, 1.0, 0.05, 30, "graded"),
        }
    )


class Machine:
    """A clock that is moved by hand, and a machine that has slowed down by a factor."""

    def __init__(self):
        self.elapsed, self.slow, self.references = 0.0, 1.0, 0

    def refer(self):
        self.references += 1
        self.elapsed += 1.0
        return measured(self.slow)


def test_a_machine_that_slows_down_is_seen_and_taken_out_of_times_and_rates():
    machine = Machine()
    drift = DriftCorrection(machine, machine.refer)
    drift.refresh()
    machine.elapsed, machine.slow = 100.0, 1.2
    drift.refresh()
    seen = drift.correct(measured(1.2), 101.0)
    truth = measured()
    for name in ("mean_e2el_ms", "p99_ttft_ms", "request_throughput"):
        assert seen.metrics[name].value == pytest.approx(truth.metrics[name].value, rel=0.02)
        assert seen.metrics[name].low < truth.metrics[name].value < seen.metrics[name].high
        assert seen.metrics[name].sem > 0
    assert seen.metrics["accuracy"] == truth.metrics["accuracy"]
    assert seen.metrics["joules_per_request"] == truth.metrics["joules_per_request"]
    assert "drift of the machine taken out" in seen.notes[0]


def test_a_machine_that_is_busy_with_something_else_is_suspected_not_corrected():
    """Programs that take the processors slow one configuration more than another."""
    machine = Machine()
    drift = DriftCorrection(machine, machine.refer)
    drift.refresh()
    machine.elapsed, machine.slow = 100.0, 20.0
    drift.refresh()
    seen = drift.correct(measured(), 101.0)
    assert seen.metrics == measured().metrics
    assert seen.validity == "suspect"
    assert "mean_e2el_ms 20 times" in seen.reasons[0]


def test_what_may_be_chance_is_left_in():
    machine = Machine()
    drift = DriftCorrection(machine, machine.refer)
    drift.refresh()
    machine.elapsed, machine.slow = 100.0, 1.03
    drift.refresh()
    assert drift.correct(measured(), 101.0) == measured()


def test_references_cost_a_bounded_share_of_a_study():
    machine = Machine()
    drift = DriftCorrection(machine, machine.refer)
    while machine.elapsed < 100 * EVERY_S:
        drift.refresh()
        machine.elapsed += 7.0
    assert 50 <= machine.references <= 100


def test_answers_may_be_reused_only_where_nothing_that_changes_them_differs():
    space = load_space("transformers", pins={"model": "builtin:small"})
    greedy = space.configuration({"token_choice": "Greedy", "search": "OneByOne"})
    key = answers_key(space, greedy, greedy_by_default=True)
    batched = space.configuration({**greedy, "batch_size": 8})
    assert answers_key(space, batched, greedy_by_default=True) == key
    shorter = space.configuration({**greedy, "max_new_tokens": 16})
    assert answers_key(space, shorter, greedy_by_default=True) not in (key, None)
    sampled = space.configuration({"token_choice": "Sampling", "search": "OneByOne"})
    assert answers_key(space, sampled, greedy_by_default=True) is None
    unknown = load_space("openai")
    assert answers_key(unknown, unknown.default, greedy_by_default=False) is None


def test_a_workload_alone_is_not_graded_and_fits_the_model(tmp_path):
    trace = tmp_path / "trace.csv"
    trace.write_text("arrival_s,input_tokens,output_tokens\n0,500,300\n0.5,20,10\n")
    spec = StudySpec.of(models=("builtin:small",), task=None, workload=str(trace))
    requests = read_requests(spec, ("builtin:small",))
    assert requests.task is None
    assert requests.work.grade(["a"]) is None
    assert all(len(r.prompt) + (r.max_tokens or 0) <= 128 for r in requests.work.requests)
    assert spec.effective_objectives == ("joules_per_request:min", "mean_e2el_ms:min")


def test_with_a_task_beside_it_the_workload_is_timed_and_the_task_graded():
    spec = StudySpec.of(models=("builtin:small",), n_prompts=8, workload="fixed:input=8,output=4")
    requests = read_requests(spec, ("builtin:small",))
    assert len(requests.work) == 1000
    assert len(requests.task) == 8
    assert "accuracy:max" in spec.effective_objectives


SPACE = """
features
    Toy {abstract}
        mandatory
            Integer batch {values [1, 2, 4, 8, 16], log true, default 1, role 'request'}
            Integer beams {values [1, 2, 3, 4], default 1, role 'request'}
"""

PROGRAM = """
import json, sys
batch, beams, broken = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
if batch >= 4 and beams == 4:
    print(json.dumps({"error": "out_of_memory", "message": "no room"})); sys.exit(1)
print(json.dumps({"joules_per_request": beams * (1 + 4 / batch), "accuracy": 0.5 + 0.1 * beams,
                  "p99_ttft_ms": 10.0 * batch * beams}))
"""


@pytest.fixture
def toy(tmp_path):
    (tmp_path / "toy.uvl").write_text(SPACE)
    (tmp_path / "toy.py").write_text(PROGRAM)

    def run(**options):
        return tune(
            (),
            None,
            command=f"{sys.executable} {tmp_path / 'toy.py'} {{batch}} {{beams}}",
            space=str(tmp_path / "toy.uvl"),
            objectives=("joules_per_request:min", "accuracy:max"),
            verify_rounds=2,
            **options,
        )

    return run


@pytest.mark.slow
def test_a_command_of_ones_own_is_tuned_under_service_levels(toy, tmp_path):
    result = toy(levels=("p99_ttft_ms<=32", "accuracy>=default+0.05"), out=tmp_path / "out")
    by_role = {role: r for r in result.recommended for role in r.roles}
    assert dict(by_role["cheapest"].configuration) == {"batch": 1, "beams": 2}
    for recommendation in result.recommended:
        metrics = recommendation.measurement.metrics
        assert metrics["p99_ttft_ms"].value <= 32
        assert metrics["accuracy"].value >= 0.65
        assert [check.holds for check in recommendation.levels] == [True, True]
    written = json.loads((tmp_path / "out" / "result.json").read_text())
    assert written["unmet"] is None
    assert written["service_levels"] == ["p99_ttft_ms<=32", "accuracy>=default+0.05"]


def test_meters_are_refused_where_a_command_measures(toy):
    with pytest.raises(UserError, match="leave meters out"):
        toy(meters=[object()], max_trials=1)


@pytest.mark.slow
def test_where_a_level_cannot_be_kept_the_result_says_which_and_how_close(toy):
    result = toy(levels=("p99_ttft_ms<5",))
    assert result.recommended == ()
    assert result.unmet.binding == "p99_ttft_ms<5"
    assert dict(result.unmet.closest) == {"batch": 1, "beams": 1}
    assert "service levels" in result.stopped_by or "all 20 configurations" in result.stopped_by


@pytest.mark.slow
def test_failures_of_the_command_are_observations(toy):
    result = toy(max_trials=25)
    failed = [r for r in result.trials if r.state == "failed"]
    assert failed
    assert all(r.configuration["batch"] >= 4 and r.configuration["beams"] == 4 for r in failed)
    assert {r.measurement.failure.cause for r in failed} == {"out_of_memory"}
    assert {r.measurement.failure.message for r in failed} == {"no room"}
    assert failed[0].number < result.trials[-1].number  # the study went on
    assert result.recommended


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"launch": "vllm", "command": "x"}, "only one"),
        ({"models": ()}, "no models"),
        ({"command": "x"}, "space"),
        ({"task": None}, "nothing to ask"),
    ],
)
def test_a_specification_that_contradicts_itself_is_refused(options, says):
    with pytest.raises(UserError, match=says):
        StudySpec.of(**{"models": ("builtin:small",), **options})


def test_a_server_is_given_room_for_the_longest_request():
    def space(**lengths):
        workload = f"fixed:input={lengths['input']},output={lengths['output']}"
        spec = StudySpec.of(
            models=("builtin:small",), task=None, launch="transformers", workload=workload,
            n_requests=3,
        )  # fmt: skip
        with set_up(spec) as setup:
            return setup.space

    short, batched = space(input=8, output=4), {"batching": "ContinuousBatching"}
    tight = short.configuration({**batched, "cb_num_blocks": 8, "cb_block_size": 16})
    assert tight["cb_num_blocks"] * tight["cb_block_size"] == 128
    with pytest.raises(UserError):
        short.configuration({**batched, "cb_num_blocks": 4, "cb_block_size": 16})


@pytest.mark.slow
def test_a_workload_is_timed_and_a_task_graded_beside_it():
    result = tune(
        "builtin:small", n_prompts=10, workload="fixed:input=6,output=3", n_requests=8,
        pins={"threads": 1, "search": "OneByOne", "token_choice": "Greedy", "dtype": "float32",
              "cache": "Dynamic", "attn_implementation": "sdpa"},
        max_trials=3, seconds_per_trial=0.5, verify_rounds=2, levels=("accuracy>=default*0.5",),
    )  # fmt: skip
    for record in result.trials:
        measurement = record.measurement
        assert measurement.metrics["accuracy"].n == len(measurement.scores) == 10
        assert measurement.metrics["mean_output_tokens"].value == pytest.approx(3)
    assert result.recommended
    assert all(r.measurement.metrics["accuracy"].n == 10 for r in result.recommended)
