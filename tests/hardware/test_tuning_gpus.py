"""Clocks and power limit as features of a study: tuned, and as before when it ends."""

from __future__ import annotations

import pytest

from tuner import UserError, tune
from tuner.study import TrialFinished

PINS = {
    "threads": 1, "search": "OneByOne", "token_choice": "Greedy", "dtype": "float32",
    "cache": "Dynamic", "attn_implementation": "sdpa", "max_new_tokens": 16, "batch_size": 8,
}  # fmt: skip


def study(**options):
    return tune(
        "builtin:small", n_prompts=8, pins=PINS, gpu_control=True, max_trials=6,
        seconds_per_trial=0.5, verify_rounds=2, **options,
    )  # fmt: skip


@pytest.mark.slow
def test_a_study_tunes_what_the_driver_offers_and_leaves_the_gpus_as_they_were(boards):
    boards.add("GPU-aaaa")
    boards.add("GPU-bbbb", limit=275_000)
    before, seen = boards.all(), []

    def observe(event):
        if isinstance(event, TrialFinished):
            seen.append((event.record, boards.all()))

    result = study(observe=observe)
    assert boards.all() == before
    assert not any(r.state == "failed" for r in result.trials)
    changed = 0
    for record, during in seen:
        clock = record.configuration.get("gpu_clock_mhz")
        for board in during.values():
            assert board.gpu == ((clock, clock) if clock else (0, 0))
        limit = record.configuration.get("power_limit_w")
        for uuid, board in during.items():
            assert board.limit == (limit * 1000 if limit else before[uuid].limit)
        changed += bool(clock or limit)
    assert changed
    for recommendation in result.recommended:
        told = {k: v for k, v in recommendation.configuration.items() if k in ("power_limit_w",)}
        assert told.items() <= dict(recommendation.arguments.hardware).items()


def test_a_driver_that_forbids_it_ends_the_study_before_anything_is_measured(boards):
    boards.add("GPU-aaaa", gpu_code=4, power_code=4, memory_code=4)
    before = boards.all()
    with pytest.raises(UserError, match=r"permission|root"):
        study()
    assert boards.all() == before


def test_a_command_cannot_be_joined_with_gpu_control(tmp_path):
    with pytest.raises(UserError, match="gpu_control"):
        tune((), None, command="true", space="openai", gpu_control=True)
