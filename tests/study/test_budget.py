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
    budget = TimeBudget(60.0, spent_s=10.0, clock=clock)
    clock.now += 20.0
    assert (budget.elapsed_s, budget.left_s, budget.search_left_s) == (30.0, 30.0, 30.0)
    budget.reserve_for_verification(12.0, largest_share=0.4)
    assert (budget.left_s, budget.search_left_s, budget.search_limit_s) == (30.0, 18.0, 48.0)


def test_verification_gets_no_more_than_its_share_of_the_limit():
    budget = TimeBudget(60.0, clock=Clock())
    budget.reserve_for_verification(1000.0, largest_share=0.4)
    assert budget.search_left_s == 36.0


def test_without_a_limit_nothing_runs_out():
    clock = Clock()
    budget = TimeBudget(None, clock=clock)
    budget.reserve_for_verification(1000.0, largest_share=0.4)
    clock.now += 1e6
    assert budget.elapsed_s == 1e6
    assert budget.left_s is None
    assert budget.search_left_s is None
