"""Seeds of sampled answers: one for each trial, and others for its verification."""

from __future__ import annotations


def trial_seed(study_seed: int, number: int) -> int:
    """The seed of a trial, in [0, 2^31); the same for the same study and trial."""
    return hash((study_seed, number)) % 2**31


def verification_seed(study_seed: int) -> int:
    """The seed of a verification: no trial has it."""
    return study_seed + 2**30
