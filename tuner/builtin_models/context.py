"""How much text a model takes."""

from __future__ import annotations

from tuner.builtin_models import is_builtin, model_path
from tuner.errors import UserError


def context_of(model: str) -> int | None:
    """Tokens that a model takes, prompt and answer together; None where it does not say.

    Args:
        model: a built-in model, a folder, or the name of a model that was fetched before.

    Raises:
        UserError: there is no such model on this machine.
    """
    from transformers import AutoConfig

    source = str(model_path(model)) if is_builtin(model) else model
    try:
        config = AutoConfig.from_pretrained(source, local_files_only=True).to_dict()
    except (OSError, ValueError):
        raise UserError(
            f"there is no model {model} on this machine; give its folder, or builtin:small"
        ) from None
    text = config.get("text_config") or config
    longest = text.get("max_position_embeddings")
    return int(longest) if longest else None
