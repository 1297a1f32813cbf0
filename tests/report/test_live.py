"""The display shows what a waiting person wants to know, on any width."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from tuner.measure import Failure, Measurement, VerificationBlock, WarmUp
from tuner.report.live import Board, Lines
from tuner.space import Configuration
from tuner.study import (
    PhaseStarted,
    Record,
    SearchEnded,
    Snapshot,
    Started,
    StudySpec,
    TrialFinished,
    TrialStarted,
)

SPEC = StudySpec(models=("builtin",), task="builtin")
DEFAULT = Configuration.of({"batch_size": 1, "threads": 2})
OTHER = Configuration.of({"batch_size": 8, "threads": 2})


def snapshot(finished: int) -> Snapshot:
    best = {"joules_per_request": 0.25, "mean_e2el_ms": 35.0, "accuracy": 0.95}
    return Snapshot(finished, 1, 2, 0.8, best, 0.12, 0.03, 0.4, 90.0, 300.0)


EVENTS = [
    Started(0, 10**10),
    TrialStarted(0, DEFAULT),
    PhaseStarted(WarmUp()),
    TrialFinished(Record(0, DEFAULT, "complete", Measurement({}), (0.25, 35.0, 0.95)), snapshot(1)),
    TrialStarted(1, OTHER),
    TrialFinished(
        Record(
            1, OTHER, "failed", Measurement({}, failure=Failure("out_of_memory", "no\nroom")), ()
        ),
        snapshot(2),
    ),
    SearchEnded("limit of 2 trials reached"),
]


@pytest.mark.parametrize("width", [50, 80, 200])
def test_the_board_says_where_the_study_stands(width):
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    board = Board(SPEC)
    console.print(board.view())
    for event in EVENTS:
        board(event)
        console.print(board.view())
    shown = console.file.getvalue()
    assert "2 trials in 1:30 min" in shown
    assert "front 2" in shown
    assert "out of memory" in shown
    assert max(len(line) for line in shown.splitlines()) <= width


def test_lines_name_every_trial_and_the_end():
    console = Console(file=io.StringIO(), width=80)
    lines = Lines(SPEC, console)
    for event in EVENTS:
        lines(event)
    shown = console.file.getvalue().splitlines()
    assert shown[0] == "searching 1.0e+10 configurations"
    assert shown[1].startswith("trial 0: joules_per_request 0.25")
    assert "failed (out of memory: no room) | batch_size 8" in shown[2]
    assert "limit of 2 trials reached" in shown[3]


def test_lines_say_once_which_block_of_the_verification_begins():
    console = Console(file=io.StringIO(), width=80)
    lines = Lines(SPEC, console)
    lines(PhaseStarted(WarmUp()))
    for number in (1, 2):
        for configuration in (1, 2, 1):
            lines(PhaseStarted(VerificationBlock(number, configuration, 2)))
    assert console.file.getvalue().splitlines() == [
        "verification: block 1, 2 configurations",
        "verification: block 2, 2 configurations",
    ]
