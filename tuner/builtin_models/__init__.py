"""The language models that come with the tuner, and the problems that they solve.

Three Llamas of about 0.3, 1 and 4 million parameters (`BUILTIN`), trained from scratch by
`python tools/train_builtin_models.py` on generated problems. `weights/README.md` is their card.
"""

from __future__ import annotations

from pathlib import Path

from tuner.builtin_models.problems import (
    KINDS,
    Problem,
    Split,
    final_answer,
    problems,
    split_of,
    write_jsonl,
)
from tuner.errors import UserError

__all__ = [
    "BUILTIN",
    "KINDS",
    "Problem",
    "Split",
    "final_answer",
    "is_builtin",
    "model_path",
    "problems",
    "split_of",
    "write_jsonl",
]

BUILTIN = ("small", "base", "large")
"""The built-in models from the smallest to the largest."""

_PREFIX = "builtin:"


def is_builtin(name: str) -> bool:
    """Tell whether a model name means a built-in model: `builtin:...` or one of `BUILTIN`."""
    return name.startswith(_PREFIX) or name in BUILTIN


def model_path(name: str) -> Path:
    """Return the folder of a built-in model, given as `builtin:small` or `small`.

    The folder loads with `AutoModelForCausalLM.from_pretrained` and `AutoTokenizer`, offline.

    Raises:
        UserError: there is no built-in model of that name.
    """
    size = name.removeprefix(_PREFIX)
    if size not in BUILTIN:
        known = ", ".join(_PREFIX + s for s in BUILTIN)
        raise UserError(f"There is no built-in model {name!r}; choose one of {known}.")
    return Path(__file__).parent / "weights" / size
