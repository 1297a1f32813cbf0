"""Asking, telling, stopping and going on: what a study promises whoever measures for it."""

from __future__ import annotations

import itertools

import optuna
import pytest

from tuner.errors import UserError
from tuner.measure import Failure, Measurement, Metric
from tuner.search import Objective
from tuner.space.table import TableSpace
from tuner.study import SearchEnded, StudySpec, TrialFinished
from tuner.study.loop import search
from tuner.study.session import Session, StudyLimits
from tuner.study.storage import locked

OBJECTIVES = (Objective.parse("joules_per_request:min"), Objective.parse("accuracy:max"))


def metric(value: float, unit: str = "J") -> Metric:
    return Metric(value, unit, value * 0.98, value * 1.02, value * 0.01, 3, "estimated")


def run(configuration, number, keep_going=None) -> Measurement:
    """A made-up engine: larger batches are cheaper, more beams dearer and more accurate."""
    if configuration["batch"] == 64 and configuration["beams"] == 4:
        return Measurement({}, failure=Failure("out_of_memory", "not enough"), seconds=0.5)
    joules = configuration["beams"] * (1 + 8 / configuration["batch"])
    accuracy = {1: 0.7, 2: 0.8, 3: 0.85, 4: 0.9}[configuration["beams"]]
    metrics = {"joules_per_request": metric(joules), "accuracy": metric(accuracy, "1")}
    return Measurement(metrics, seconds=0.25)


@pytest.fixture
def space() -> TableSpace:
    rows = list(itertools.product((1, 2, 4, 8, 16, 32, 64), (1, 2, 3, 4), ("fp32", "bf16")))
    return TableSpace(
        {
            "batch": [r[0] for r in rows],
            "beams": [r[1] for r in rows],
            "dtype": [r[2] for r in rows],
        }
    )


def finish(session: Session, trials: int) -> None:
    for _ in range(trials):
        ask = session.ask()
        session.tell(ask, run(ask.configuration, ask.number))


def test_what_was_told_is_on_disk_before_the_next_ask(space, tmp_path):
    session = Session(space, OBJECTIVES, path=tmp_path / "study.db")
    ask = session.ask()
    record = session.tell(ask, run(ask.configuration, 0))
    again = Session(space, OBJECTIVES, path=tmp_path / "study.db")
    assert again.records == [record]


def test_a_study_opened_again_proposes_what_it_would_have_proposed(space, tmp_path):
    straight = Session(space, OBJECTIVES, path=tmp_path / "a.db", seed=3)
    finish(straight, 14)
    broken = Session(space, OBJECTIVES, path=tmp_path / "b.db", seed=3)
    finish(broken, 6)
    broken.ask()  # a kill in mid-measurement: asked and never told
    resumed = Session(space, OBJECTIVES, path=tmp_path / "b.db", seed=3)
    finish(resumed, 8)
    assert [r.configuration for r in resumed.finished] == [
        r.configuration for r in straight.finished
    ]


def test_a_trial_that_was_in_flight_when_the_process_died_is_interrupted(space, tmp_path):
    first = Session(space, OBJECTIVES, path=tmp_path / "study.db")
    finish(first, 2)
    first.ask()  # never told
    again = Session(space, OBJECTIVES, path=tmp_path / "study.db")
    assert [record.state for record in again.records] == ["complete", "complete", "interrupted"]
    assert again.records[-1].measurement is None
    assert again.finished == first.finished


def test_a_failure_is_kept_with_its_cause_and_has_no_value(space, tmp_path):
    session = Session(space, OBJECTIVES, path=tmp_path / "study.db")
    ask = session.ask()
    session.tell(ask, Measurement({}, failure=Failure("crash", "gone"), seconds=1.0))
    (record,) = Session(space, OBJECTIVES, path=tmp_path / "study.db").records
    assert record.state == "failed"
    assert record.values == ()
    assert record.measurement.failure == Failure("crash", "gone")
    (trial,) = optuna.load_study(
        study_name="tune", storage=f"sqlite:///{tmp_path / 'study.db'}"
    ).trials
    assert trial.state == optuna.trial.TrialState.FAIL
    assert trial.values is None


def test_a_measurement_without_an_objective_is_a_failure(space):
    session = Session(space, OBJECTIVES)
    record = session.tell(session.ask(), Measurement({"accuracy": metric(0.9, "1")}))
    assert record.state == "failed"
    assert "joules_per_request" in record.measurement.failure.message


def test_an_invalid_measurement_never_becomes_a_value(space):
    session = Session(space, OBJECTIVES)
    ask = session.ask()
    good = run(ask.configuration, 0)
    bad = Measurement(good.metrics, "invalid", ("two requests were lost",))
    assert session.tell(ask, bad).state == "failed"


def test_the_limit_of_trials_counts_failures_and_earlier_sessions(space, tmp_path):
    first = Session(space, OBJECTIVES, path=tmp_path / "s.db", limits=StudyLimits(max_trials=5))
    finish(first, 3)
    second = Session(space, OBJECTIVES, path=tmp_path / "s.db", limits=StudyLimits(max_trials=5))
    assert search(second, run, lambda event: None) == "limit of 5 trials reached"
    assert len(second.finished) == 5


def test_the_time_limit_counts_what_was_measured_before(space, tmp_path):
    finish(Session(space, OBJECTIVES, path=tmp_path / "s.db"), 4)
    session = Session(
        space, OBJECTIVES, path=tmp_path / "s.db", limits=StudyLimits(max_seconds=1.0)
    )
    assert "time limit" in session.stopped_by()


def test_the_search_ends_and_says_why(space):
    events = []
    session = Session(space, OBJECTIVES, seed=1, limits=StudyLimits(max_trials=20))
    reason = search(session, run, events.append)
    assert isinstance(events[-1], SearchEnded)
    assert events[-1].reason == reason
    assert len(session.finished) < space.size
    snapshots = [e.snapshot for e in events if isinstance(e, TrialFinished)]
    assert [s.finished for s in snapshots] == list(range(1, len(session.finished) + 1))
    assert snapshots[-1].best["accuracy"] == max(r.values[1] for r in session.complete)


def test_two_processes_cannot_share_a_folder(tmp_path):
    with locked(tmp_path), pytest.raises(UserError, match="another --out"), locked(tmp_path):
        pass


def test_a_damaged_study_is_named(space, tmp_path):
    (tmp_path / "study.db").write_text("no database")
    with pytest.raises(UserError, match=r"study\.db"):
        Session(space, OBJECTIVES, path=tmp_path / "study.db")


def test_another_specification_is_refused_and_other_limits_are_not(tmp_path):
    spec = StudySpec(models=("builtin",), task="builtin", max_trials=5)
    spec.save(tmp_path / "spec.json")
    earlier = StudySpec.load(tmp_path / "spec.json")
    assert earlier == spec
    spec.model_copy(update={"max_trials": 50}).require_same(earlier, tmp_path)
    with pytest.raises(UserError, match="seed"):
        spec.model_copy(update={"seed": 7}).require_same(earlier, tmp_path)


@pytest.mark.parametrize("fields", [{"max_trials": 0}, {"max_seconds": 0}, {"models": ()}])
def test_a_specification_that_cannot_be_run_is_a_users_mistake(fields):
    with pytest.raises(UserError, match=next(iter(fields))):
        StudySpec.of(**{"models": ("builtin",), "task": "builtin", **fields})
