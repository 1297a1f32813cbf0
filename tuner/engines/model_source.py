"""Where models come from: built-in ones, folders, GGUF files and ids on the hub."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from tuner.builtin_models import BUILTIN, is_builtin, model_path
from tuner.errors import UserError

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


def resolve_models(names: Sequence[str], trust_remote_code: bool) -> tuple[str, ...]:
    """Names as the engine takes them, the default one first; each is checked to be loadable.

    `builtin` stands for the whole family that ships with the tuner, the largest first; a folder
    becomes its absolute path; anything else is a hub id, and giving one is asking for it.

    Raises:
        UserError: a folder that is missing or holds no model, or an id that cannot be reached.
    """
    resolved: list[str] = []
    for name in names:
        if name == "builtin":
            resolved += [f"builtin:{size}" for size in reversed(BUILTIN)]
            continue
        folder = Path(name).expanduser()
        if is_gguf(name):
            if not folder.is_file():
                raise UserError(f"there is no model file {name}; check the path")
            resolved.append(str(folder.resolve()))
            continue
        check_model(name)
        is_folder = folder.is_dir() and not is_builtin(name)
        if not is_folder and not is_builtin(name):
            _require_hub_model(name, trust_remote_code)
        resolved.append(str(folder.resolve()) if is_folder else name)
    return tuple(dict.fromkeys(resolved))


def check_model(name: str) -> None:
    """Check that a model's name is that of a built-in one, a folder of weights, or a hub id.

    Raises:
        UserError: it is none of them.
    """
    if name.startswith("builtin:"):
        model_path(name)
        return
    folder = Path(os.path.expanduser(name))
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise UserError(
                f"{name} holds no config.json; name a folder written by `save_pretrained`"
            )
    elif not is_hub_id(name):
        raise UserError(
            f"there is no model folder {name}; give a folder, a hub id such as "
            "`HuggingFaceTB/SmolLM2-135M`, or `builtin:small`, `builtin:base` or `builtin:large`"
        )


def model_location(name: str) -> str:
    """The path of a built-in model or a folder, or else the name as it is."""
    return str(model_path(name)) if name.startswith("builtin:") else os.path.expanduser(name)


def model_folder(name: str) -> Path | None:
    """Where the files of a model are; None for one on the hub, and for a single file."""
    folder = Path(model_location(name))
    return folder if folder.is_dir() else None


def is_gguf(name: str) -> bool:
    """Whether a model is a file of llama.cpp."""
    return name.endswith(".gguf")


def is_hub_id(name: str) -> bool:
    """Whether a name is an id on the hub, and no folder here."""
    return not os.path.isdir(os.path.expanduser(name)) and bool(_HUB_ID.fullmatch(name))


@cache
def _require_hub_model(name: str, trust_remote_code: bool) -> None:
    from transformers import AutoConfig

    try:
        AutoConfig.from_pretrained(name, trust_remote_code=trust_remote_code)
    except Exception as error:
        words = str(error).strip().splitlines()[0]
        raise UserError(
            f"--model {name}: there is no such folder here, and the hub did not give it ({words}); "
            "check the name and the network, or give a local folder."
        ) from error
