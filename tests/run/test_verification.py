"""Verification: who takes part, who drops out, who joins, and when it ends."""

from __future__ import annotations

import random
from types import SimpleNamespace

import pytest

from tuner.advice.recommend import recommend
from tuner.measure import Failure, InterruptedRun, Measurement, Metric, Window, combined
from tuner.run.verification import LEAST_BLOCKS, Verification
from tuner.run.verification_log import VerificationLog
from tuner.search import Objective, parse_levels
from tuner.space import Arguments, Configuration
from tuner.study import Record, StudySpec
from tuner.study.budget import TimeBudget

OBJECTIVES = tuple(
    Objective.parse(t) for t in ("joules_per_request:min", "mean_e2el_ms:min", "accuracy:max")
)
PROMPTS = 50


def named(name):
    return Configuration.of({"name": name})


def measured(joules, ms, right):
    """One repeat of everything, the first `right` of fifty prompts answered well."""
    scores = tuple(float(i < right) for i in range(PROMPTS))
    metrics = {
        "joules_per_request": Metric(joules, "J", None, None, None, 1, "estimated", (joules,)),
        "mean_e2el_ms": Metric(ms, "ms", None, None, None, 1, "clock", (ms,)),
        "accuracy": Metric(right / PROMPTS, "1", 0.0, 1.0, 0.01, PROMPTS, "graded"),
    }
    return Measurement(metrics, scores=scores)


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


class Machine:
    """Measures windows of what is true, each of a second, with noise that a block shares."""

    def __init__(self, truth, clock, noise=0.01):
        self.truth, self.clock, self.noise = truth, clock, noise
        self.asked = []

    def window(self, configuration, block, seconds, keep_going=None):
        self.clock.now += 1.0
        if keep_going is not None and not keep_going():
            raise InterruptedRun
        self.asked.append((block, configuration["name"]))
        joules, ms, right = self.truth[configuration["name"]]
        if joules is None:
            failure = Failure("crash", "gone")
            return Window(block, (), Measurement({}, "invalid", failure=failure))
        shared = random.Random(block).uniform(0.5, 2.0)
        rng = random.Random(repr((block, configuration)))
        own = [shared * rng.gauss(1, self.noise) for _ in range(2)]
        return Window(block, (), measured(joules * own[0], ms * own[1], right))

    def combined(self, configuration, windows):
        return combined(windows, windows[0].measurement.scores)

    def window_seconds(self, configuration, seconds):
        return 1.0

    def blocks_of(self, name):
        return [block for block, asked in self.asked if asked == name]


class Study:
    """A search that has ended, about to be verified."""

    def __init__(self, trials, truth=None, *, limit_s=None, levels=(), path=None, **more):
        self.clock = Clock()
        self.machine = Machine({**trials, **(truth or {})}, self.clock, more.pop("noise", 0.01))
        records = [
            Record(
                i,
                named(n),
                "complete",
                m := measured(*t),
                tuple(x.value for x in m.metrics.values()),
            )
            for i, (n, t) in enumerate(trials.items())
        ]
        self.records = records
        self.levels = parse_levels(levels)
        session = SimpleNamespace(
            space=SimpleNamespace(default=named("default")),
            objectives=OBJECTIVES,
            complete=records,
            budget=TimeBudget(limit_s, clock=self.clock),
        )
        spec = StudySpec.of(models=("builtin",), verify_rounds=more.pop("most", 40))
        self.verification = Verification(
            spec, session, self.machine, self.levels, lambda e: None, VerificationLog(path), **more
        )

    def roles(self, **run):
        self.verification.run(**run)
        advice = recommend(
            self.records,
            OBJECTIVES,
            named("default"),
            0.02,
            lambda c: Arguments({}, {}, {}),
            self.levels,
            self.verification.pairs,
            self.verification.left_out,
        )
        return {role: r.configuration["name"] for r in advice.recommended for role in r.roles}


DEFAULT = (10.0, 100.0, 45)


def test_a_lucky_trial_is_found_out_and_drops_out():
    trials = {"default": DEFAULT, "lucky": (1, 100, 45), "honest": (5, 90, 45)}
    study = Study(trials, {"lucky": (12, 100, 45)})
    assert study.roles()["cheapest"] == "honest"
    assert len(study.machine.blocks_of("lucky")) < len(study.machine.blocks_of("honest"))


def test_what_seems_better_than_all_that_was_verified_joins():
    trials = {"default": DEFAULT}
    trials |= {f"lucky{i}": (1 + i / 10, 100 + i, 45) for i in range(6)}
    trials["plain"] = (8, 120, 45)
    truth = {name: (20, 200, 45) for name in trials if name.startswith("lucky")}
    study = Study(trials, truth)
    assert study.roles()["cheapest"] == "plain"
    assert min(study.machine.blocks_of("plain")) > 0


def test_what_loses_its_accuracy_loses_its_name():
    trials = {"default": DEFAULT, "wrong": (1, 10, 45)}
    found = Study(trials, {"wrong": (1, 10, 30)}).roles()
    assert found["cheapest"] == "default"
    assert found["frugal"] == "wrong"


def test_what_fails_is_not_recommended_and_not_asked_again():
    trials = {"default": DEFAULT, "fragile": (1, 10, 45), "good": (5, 50, 45)}
    study = Study(trials, {"fragile": (None, 0, 0)})
    assert set(study.roles().values()) <= {"good", "default"}
    assert len(study.machine.blocks_of("fragile")) == 1


def test_a_default_that_fails_leaves_recommendations_that_were_not_verified():
    trials = {"default": DEFAULT, "other": (1, 10, 45)}
    study = Study(trials, {"default": (None, 0, 0)})
    assert study.roles()["cheapest"] == "other"
    assert study.verification.pairs == {}


def test_it_ends_when_everything_is_decided_and_the_intervals_are_narrow():
    study = Study({"default": DEFAULT, "good": (5, 50, 45)})
    study.roles()
    assert len(study.machine.blocks_of("default")) == LEAST_BLOCKS
    noisy = Study({"default": DEFAULT, "good": (5, 50, 45)}, noise=0.1)
    noisy.roles()
    assert LEAST_BLOCKS < len(noisy.machine.blocks_of("default")) <= 40


def test_the_time_limit_is_kept_and_all_of_it_is_used():
    trials = {"default": DEFAULT, "good": (5, 50, 45), "better": (4, 60, 45)}
    study = Study(trials, limit_s=100.0)
    study.clock.now = 40.0
    assert study.roles(use_all_time=True)["cheapest"] == "better"
    assert 95 <= study.clock.now <= 99


def test_where_there_is_little_time_fewer_candidates_are_verified():
    trials = {"default": DEFAULT, "cheap": (1, 100, 45), "quick": (9, 10, 45), "mid": (3, 30, 45)}
    study = Study(trials, limit_s=100.0)
    study.clock.now = 90.0
    study.roles(use_all_time=True)
    verified = set(study.verification.pairs) - {named("default")}
    assert 1 <= len(verified) <= 2
    for configuration in verified:
        assert (
            study.verification.pairs[configuration].measurement.metrics["joules_per_request"].n >= 2
        )


def test_windows_are_kept_and_a_study_that_goes_on_does_not_measure_them_again(tmp_path):
    path = tmp_path / "verification.jsonl"
    trials = {"default": DEFAULT, "good": (5, 50, 45)}
    first = Study(trials, path=path)
    first.roles()
    again = Study(trials, path=path)
    assert again.roles() == first.roles()
    assert again.machine.asked == []
    assert again.verification.pairs == first.verification.pairs
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])  # as a kill in the middle of a write leaves it
    torn = Study(trials, path=path)
    torn.roles()
    assert [block for block, _ in torn.machine.asked] == [LEAST_BLOCKS - 1] * 2
    assert len(path.read_text().splitlines()) == LEAST_BLOCKS


def test_a_simpler_configuration_is_verified_in_place_of_the_one_found():
    trials = {"default": DEFAULT, "odd": (5, 50, 45)}
    simplified = {named("odd"): named("simple")}
    study = Study(trials, {"simple": (5.1, 51, 45)}, simplified=lambda c: simplified.get(c, c))
    assert study.roles()["cheapest"] == "simple"
    assert study.machine.blocks_of("odd") == []


def test_a_simpler_configuration_that_turns_out_worse_gives_way_to_the_one_found():
    trials = {"default": DEFAULT, "odd": (5, 50, 45)}
    simplified = {named("odd"): named("simple")}
    study = Study(trials, {"simple": (8, 80, 45)}, simplified=lambda c: simplified.get(c, c))
    assert study.roles()["cheapest"] == "odd"


def test_a_machine_that_is_slow_for_everything_changes_no_ratio():
    trials = {"default": DEFAULT, "good": (5, 50, 45)}
    study = Study(trials, {"default": (300, 3000, 45), "good": (150, 1500, 45)})
    assert study.roles()["cheapest"] == "good"
    pair = study.verification.pairs[named("good")]
    ratio = (
        pair.measurement.metrics["joules_per_request"].value
        / pair.default.metrics["joules_per_request"].value
    )
    assert ratio == pytest.approx(0.5, rel=0.03)


def test_levels_are_judged_by_the_verification_and_what_comes_closest_is_measured_again():
    trials = {"default": DEFAULT, "quick": (5, 120, 45)}
    study = Study(
        trials, {"quick": (5, 40, 45), "default": (10, 95, 45)}, levels=["mean_e2el_ms<default*0.9"]
    )
    assert set(study.roles().values()) == {"quick"}
