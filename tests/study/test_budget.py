"""The time limit of a study: what is spent, what is kept for verification, what is left."""

from __future__ import annotations

from tuner.study.budget import TimeBudget


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def test_search_and_verification_share_one_limit():
    clock = Clock()
    budget = TimeBudget(100.0, spent_s=10.0, clock=clock)
    clock.now += 20.0
    finishing = 3.0  # kept for writing the result
    assert budget.elapsed_s == 30.0
    assert budget.left_s == budget.search_left_s == 70.0 - finishing
    budget.reserve_for_verification(12.0, largest_share=0.4)
    assert (budget.left_s, budget.search_left_s) == (67.0, 55.0)
    assert budget.search_limit_s == 85.0
    assert budget.time_to_search()
    clock.now += 56.0
    assert not budget.time_to_search()
    assert budget.time_to_measure()
    clock.now += 12.0
    assert not budget.time_to_measure()


def test_verification_gets_no_more_than_its_share_of_the_limit():
    budget = TimeBudget(100.0, clock=Clock())
    budget.reserve_for_verification(1000.0, largest_share=0.4)
    assert budget.search_left_s == 57.0


def test_what_was_spent_before_a_session_was_opened_counts():
    clock = Clock()
    began = clock.now
    clock.now += 5.0
    assert TimeBudget(60.0, began=began, clock=clock).elapsed_s == 5.0


def test_a_slow_start_keeps_more_for_the_end_but_never_more_than_a_tenth():
    clock = Clock()
    began = clock.now
    clock.now += 20.0
    assert TimeBudget(200.0, began=began, clock=clock).left_s == 200 - 20 - 14
    assert TimeBudget(100.0, began=began, clock=clock).left_s == 100 - 20 - 10


def test_without_a_limit_nothing_runs_out():
    clock = Clock()
    budget = TimeBudget(None, clock=clock)
    budget.reserve_for_verification(1000.0, largest_share=0.4)
    clock.now += 1e6
    assert budget.elapsed_s == 1e6
    assert budget.left_s is None
    assert budget.search_left_s is None
    assert budget.time_to_search()
    assert budget.time_to_measure()
