"""Samplers side by side: whose turn it is, what is shared, what a resumption keeps, what counts."""

from __future__ import annotations

import time
from types import SimpleNamespace

import numpy as np
import pytest

from tuner.compare.entrant import Entrant
from tuner.compare.outcome import comparison_result
from tuner.compare.turns import SamplerComparison, TurnFinished
from tuner.features import read_uvl
from tuner.measure import Failure, InterruptedRun, Measurement, Metric
from tuner.search.replay import SAMPLERS
from tuner.space import Configuration, SearchSpace
from tuner.study.session import Ask, record_of
from tuner.surrogates import Objective

OBJECTIVES = (Objective("joules_per_request", "min", kind="energy"), Objective("accuracy", "max"))
MODEL = """
features
    Toy {abstract}
        mandatory
            Integer batch {values [1, 2, 4, 8, 16, 32], log true, default 1, role 'request'}
            Integer beams {values [1, 2, 3, 4], default 1, role 'request'}
            precision
                alternative
                    full {default true}
                    half
        optional
            cache
                mandatory
                    Integer blocks {values [8, 16, 32], default 8, role 'request'}
constraints
    half => batch > 1
    cache => beams < 4
    batch > 8 => cache
"""


@pytest.fixture(scope="module")
def space():
    return SearchSpace.from_model(read_uvl(MODEL))


def metric(value):
    return Metric(value, "1", value, value, 0.0, 3, "told")


class Machine:
    """Measures by a formula, differently each time; fails where it is told to; may be pulled."""

    def __init__(self, fails=lambda c: False, pulled_after=None):
        self.asked, self.fails, self.pulled_after = [], fails, pulled_after

    def __call__(self, configuration, number, keep_going=None):
        if self.pulled_after == len(self.asked):
            raise KeyboardInterrupt
        self.asked.append((configuration, number))
        if self.fails(configuration):
            failure = Failure("out_of_memory", "no room")
            return Measurement({}, validity="invalid", failure=failure, seconds=1.0)
        drift = 1 + 0.001 * number
        joules = configuration["beams"] * (1 + 8 / configuration["batch"]) * drift
        accuracy = 0.5 + 0.1 * configuration["beams"] - 0.003 * configuration["batch"]
        metrics = {"joules_per_request": metric(joules), "accuracy": metric(accuracy)}
        return Measurement(metrics, seconds=1.0)


def entrants(space, names, budget, path=None, seeds=(0,)):
    return [Entrant(n, s, space, OBJECTIVES, budget, path) for s in seeds for n in names]


def run(space, names, budget, machine=None, path=None, **more):
    machine, taken = machine or Machine(), []
    comparison = SamplerComparison(space, OBJECTIVES, entrants(space, names, budget, path, **more))
    reason = comparison.run(machine, lambda e: taken.append(e) if type(e) is TurnFinished else None)
    return comparison, taken, machine, reason


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SAMPLERS)
def test_every_sampler_proposes_valid_configurations_and_as_many_as_planned(space, name):
    n = 11 if name == "gp" else 14
    comparison, _, machine, _ = run(space, [name], n)
    (entrant,) = comparison.entrants
    asked = [record.configuration for record in entrant.records]
    assert len(asked) == n
    assert space.is_valid(space.encode(asked)).all()
    if name != "pareto":  # which may want to know one better
        assert len(set(asked)) == n
    assert [c for c, _ in machine.asked] == asked
    _, _, again, _ = run(space, [name], n)
    assert again.asked == machine.asked


def test_all_take_turns_and_nothing_is_measured_for_two_of_them(space):
    names = ["pareto", "random", "tpe"]
    comparison, taken, machine, reason = run(space, names, 12, seeds=(0, 1))
    assert reason == "every sampler made all its proposals"
    expected = [(name, seed) for _ in range(12) for seed in (0, 1) for name in names]
    assert [(t.turn.sampler, t.turn.seed) for t in taken] == expected
    assert [t.finished for t in taken] == list(range(1, 73))
    assert {t.total for t in taken} == {72}
    assert sum(not t.shared for t in taken) == len(machine.asked) == len(comparison.taken)
    assert [n for _, n in machine.asked] == list(range(len(machine.asked)))
    assert len(machine.asked) < 72
    told = {}
    for entrant in comparison.entrants:
        seen = {}
        for record in entrant.records:
            times = seen[record.configuration] = seen.get(record.configuration, 0) + 1
            first = told.setdefault((record.configuration, times), record.values)
            assert record.values == first


class Scripted:
    """An entrant that asks for what is written down."""

    seed, stop = 0, None

    def __init__(self, name, *batches):
        self.name, self.budget, self.records = name, len(batches), []
        self.script = [Configuration.of({"batch": b, "beams": 1}) for b in batches]

    @property
    def done(self):
        return len(self.records) == self.budget

    def times(self, configuration):
        return sum(r.configuration == configuration for r in self.records)

    def ask(self):
        number = len(self.records)
        return Ask(number, self.script[number], SimpleNamespace(user_attrs={}))

    def tell(self, ask, measurement):
        self.records.append(record_of(ask, measurement, OBJECTIVES))
        return self.records[-1]


def test_who_asks_again_is_told_the_next_measurement_and_the_mean_counts(space):
    one, two = Scripted("one", 4, 4, 2, 4), Scripted("two", 2, 4, 4, 8)
    comparison, machine = SamplerComparison(space, OBJECTIVES, [one, two]), Machine()
    comparison.run(machine, lambda event: None)
    batches = [c["batch"] for c, _ in machine.asked]
    assert sorted(batches) == [2, 4, 4, 4, 8]
    fours = [[r.values for r in c.records if r.configuration["batch"] == 4] for c in (one, two)]
    assert fours[0][:2] == fours[1]
    assert len(set(fours[0])) == 3
    result = comparison_result(comparison, "")
    places = {record.configuration["batch"]: i for i, record in enumerate(result.records)}
    assert result.records[places[4]].values == pytest.approx(np.mean(fours[0], axis=0))
    assert [run.rows for run in result.runs] == [
        tuple(places[b] for b in (4, 4, 2, 4)),
        tuple(places[b] for b in (2, 4, 4, 8)),
    ]


def test_an_interrupted_comparison_goes_on_where_it_was(space, tmp_path):
    names, path = ["pareto", "random", "tpe"], tmp_path / "comparison.db"
    whole, _, _, _ = run(space, names, 4)
    first = Machine(pulled_after=5)
    with pytest.raises(KeyboardInterrupt):
        run(space, names, 4, first, path)
    again, taken, second, _ = run(space, names, 4, path=path)
    # Sampled answers need other seeds, so the numbers of measurements go on too.
    assert [n for _, n in second.asked][:1] == [5]
    assert len(first.asked) + len(second.asked) == len(again.taken)
    assert len(set(first.asked + second.asked)) == len(again.taken)
    assert sum(len(c.records) for c in again.entrants) == 12
    assert len(taken) < 12
    assert again.elapsed >= 5.0  # what the measurements before say that they took
    for before, after in list(zip(whole.entrants, again.entrants, strict=True))[:2]:
        assert [r.configuration for r in after.records] == [r.configuration for r in before.records]


def test_more_proposals_and_more_samplers_begin_with_what_is_there(space, tmp_path):
    path = tmp_path / "comparison.db"
    _, _, machine, _ = run(space, ["random"], 3, path=path)
    comparison, taken, more, _ = run(space, ["random", "tpe"], 4, path=path)
    assert [t.turn.sampler for t in taken[:3]] == ["tpe"] * 3  # it has some to catch up with
    assert not {c for c, _ in machine.asked} & {c for c, _ in more.asked}
    assert [len(c.records) for c in comparison.entrants] == [4, 4]


def test_a_failure_is_shared_counted_and_adds_nothing(space):
    machine = Machine(fails=lambda c: c["batch"] == 32)
    comparison, _, _, _ = run(space, ["pareto", "random", "tpe"], 14, machine)
    result = comparison_result(comparison, "done")
    broken = [i for i, record in enumerate(result.records) if not record.values]
    assert broken
    assert {result.records[i].configuration["batch"] for i in broken} == {32}
    assert sum(c["batch"] == 32 for c, _ in machine.asked) == len(broken)
    assert result.failed.total() == sum(row in broken for run in result.runs for row in run.rows)
    for one in result.runs:
        steps = np.diff([0.0, *one.log])
        assert all(steps >= -1e-12)
        assert all(steps[i] == 0 for i, row in enumerate(one.rows) if row in broken)
    told = result.to_dict()
    causes = {e["failure"] for run in told["runs"] for e in run["measured"] if not e["values"]}
    assert causes == {"out_of_memory"}
    assert all(entry["values"] for entry in told["front"])
    nothing, _, _, _ = run(space, ["random"], 3, Machine(fails=lambda c: True))
    assert comparison_result(nothing, "").runs[0].log == (0, 0, 0)


def test_shares_are_of_the_best_front_that_is_known(space):
    comparison, _, _, _ = run(space, ["random"], space.size)
    result = comparison_result(comparison, "done")
    assert result.taken == len(result.records) == space.size
    assert result.runs[0].log[-1] == pytest.approx(1.0)
    short, _, _, _ = run(space, ["random", "tpe"], 6)
    some = comparison_result(short, "done")
    assert max(run.log[-1] for run in some.runs) <= 1 + 1e-9
    together = {row for run in some.runs for row in run.rows}
    assert together == set(range(len(some.records)))


def test_a_limit_of_time_ends_it_before_the_next_proposal(space):
    comparison = SamplerComparison(space, OBJECTIVES, entrants(space, ["random"], 5))
    assert (
        comparison.run(Machine(), lambda e: None, max_seconds=0.0) == "the time limit was reached"
    )
    assert comparison.taken == []


def test_a_measurement_that_has_no_time_left_ends_the_comparison(space):
    class Slow(Machine):
        def __call__(self, configuration, number, keep_going=None):
            if number == 2:
                while keep_going():
                    time.sleep(0.01)
                raise InterruptedRun
            return super().__call__(configuration, number)

    comparison, machine = (
        SamplerComparison(space, OBJECTIVES, entrants(space, ["random"], 9)),
        Slow(),
    )
    assert comparison.run(machine, lambda e: None, max_seconds=3.0) == "the time limit was reached"
    assert comparison.finished == 2
