"""Which models a study chooses between."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tuner.errors import UserError


def resolve_models(names: Sequence[str], trust_remote_code: bool) -> tuple[str, ...]:
    """Names as the engine takes them, the default one first; each is checked to be loadable.

    `builtin` stands for the whole family that ships with the tuner; a folder becomes its absolute
    path; anything else is a hub id, and giving one is asking for its download.

    Raises:
        UserError: a folder that is missing or holds no model, or an id that cannot be reached.
    """
    from tuner.models import BUILTIN

    resolved: list[str] = []
    for name in names:
        if name == "builtin":
            resolved += [f"builtin:{size}" for size in reversed(BUILTIN)]
        elif name.startswith("builtin:"):
            from tuner.models import model_path

            model_path(name)
            resolved.append(name)
        elif _looks_like_folder(name):
            resolved.append(str(_folder(name)))
        else:
            _require_hub_model(name, trust_remote_code)
            resolved.append(name)
    return tuple(dict.fromkeys(resolved))


def _looks_like_folder(name: str) -> bool:
    path = Path(name).expanduser()
    return path.exists() or name.startswith((".", "/", "~")) or name.count("/") != 1


def _folder(name: str) -> Path:
    path = Path(name).expanduser()
    if not path.is_dir():
        raise UserError(
            f"--model {name}: there is no such folder; give a folder with config.json and "
            "weights, a hub id such as org/name, or builtin."
        )
    if not (path / "config.json").is_file():
        raise UserError(
            f"--model {name}: the folder holds no config.json, so it is no Hugging Face model; "
            "give the folder that save_pretrained wrote."
        )
    return path.resolve()


def _require_hub_model(name: str, trust_remote_code: bool) -> None:
    from transformers import AutoConfig

    try:
        AutoConfig.from_pretrained(name, trust_remote_code=trust_remote_code)
    except Exception as error:
        words = str(error).strip().splitlines()[0]
        raise UserError(
            f"--model {name}: no folder here, and the hub did not give it ({words}); check the "
            "name and the network, or give a local folder."
        ) from error
