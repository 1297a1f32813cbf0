"""How many tokens a text is to a model."""

from __future__ import annotations

from collections.abc import Callable

from tuner.builtin_models import is_builtin, model_path
from tuner.errors import UserError


def token_counter(model: str) -> Callable[[str], int]:
    """Count tokens as a model's tokenizer does, the first one that it puts in front included.

    Args:
        model: a built-in model, a folder, or the name of a model that was fetched before.

    Raises:
        UserError: it has no tokenizer on this machine.
    """
    from transformers import AutoTokenizer

    source = str(model_path(model)) if is_builtin(model) else model
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, local_files_only=True)
    except (OSError, ValueError):
        raise UserError(
            f"there is no tokenizer of {model} on this machine; give the folder of a model, or "
            "builtin:small"
        ) from None

    def count(text: str) -> int:
        return len(tokenizer(text, verbose=False)["input_ids"])

    return count
