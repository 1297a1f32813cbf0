"""What a folder of weights says that a client of its server has to know."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


def local_folder(model: str) -> Path | None:
    """Where the files of a model are: its folder, or what the hub's cache has of it."""
    folder = Path(os.path.expanduser(model))
    if folder.is_dir():
        return folder
    if model.endswith(".gguf") or model.count("/") != 1:
        return None
    from huggingface_hub import try_to_load_from_cache

    try:
        cached = try_to_load_from_cache(model, "config.json")
    except ValueError:  # no name that the hub would take
        return None
    return Path(cached).parent if isinstance(cached, str) else None


def has_chat_template(folder: Path) -> bool:
    """Whether its tokenizer wraps conversations."""
    if (folder / "chat_template.jinja").is_file() or (folder / "chat_template.json").is_file():
        return True
    return bool(_json(folder / "tokenizer_config.json").get("chat_template"))


def generation_settings(folder: Path) -> Mapping[str, Any]:
    """The generation settings that came with the weights; empty where there are none."""
    settings = _json(folder / "generation_config.json")
    settings.pop("transformers_version", None)
    if "eos_token_id" not in settings:
        config = _json(folder / "config.json")
        settings |= {name: config[name] for name in ("eos_token_id",) if name in config}
    return settings


def token_counter(folder: Path) -> Callable[[str, bool], int] | None:
    """Counts the tokens of a text, those that begin a prompt included or not; None: it cannot."""
    path = folder / "tokenizer.json"
    if not path.is_file():
        return None
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))

    def count(text: str, prompt: bool) -> int:
        return len(tokenizer.encode(text, add_special_tokens=prompt).ids)

    return count


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    content = json.loads(path.read_text())
    return content if isinstance(content, dict) else {}
