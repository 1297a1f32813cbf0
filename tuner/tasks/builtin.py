"""The problems that the built-in models were trained for, as a task."""

from __future__ import annotations

import random
from typing import Literal

from tuner.tasks.task import Prompt, Task


def builtin_task(split: Literal["tune", "verify"] = "tune", n: int = 96, seed: int = 0) -> Task:
    """`n` held-out problems of all kinds, shuffled; no prompt is in both splits."""
    from tuner.builtin_models.problems import problems

    chosen = problems(split, seed, n)
    random.Random(seed).shuffle(chosen)
    prompts = tuple(Prompt(p.prompt, (p.answer,), "final", p.kind) for p in chosen)
    return Task(f"builtin:{split}", prompts)
