"""Phases of a measurement in a few words, for displays."""

from __future__ import annotations

from tuner.measure import (
    CommandRun,
    DriftReference,
    Grading,
    IdlePower,
    Loading,
    Phase,
    Repeat,
    VerificationBlock,
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
        case VerificationBlock(number=number, configuration=configuration, of=of):
            text = f"block {number}, configuration {configuration} of {of}"
        case Grading(n_prompts=n):
            text = f"{n} graded prompts"
        case DriftReference():
            text = "the default once more, to see drift"
        case CommandRun():
            text = "running the command"
    return text
