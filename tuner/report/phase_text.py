"""Phases of a measurement in a few words, for displays."""

from __future__ import annotations

from tuner.measure import (
    CommandRounds,
    CommandRun,
    DriftReference,
    Grading,
    IdlePower,
    InterleavedRound,
    Loading,
    Phase,
    Repeat,
    WarmUp,
)


def phase_text(phase: Phase) -> str:
    """What a phase is called.

    >>> phase_text(Repeat(2, 10))
    'repeat 2 of at most 10'
    """
    match phase:
        case Loading():
            text = "loading"
        case IdlePower():
            text = "idle power"
        case WarmUp():
            text = "warm-up"
        case Repeat(number=number, most=most):
            text = f"repeat {number} of at most {most}"
        case InterleavedRound(number=number, rounds=rounds, configuration=configuration):
            text = f"round {number} of {rounds}, configuration {configuration}"
        case Grading(n_prompts=n):
            text = f"{n} graded prompts"
        case DriftReference():
            text = "the default once more, to see drift"
        case CommandRun():
            text = "running the command"
        case CommandRounds(rounds=rounds):
            text = f"running the command in {rounds} rounds"
    return text
