"""Which models a study chooses between."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from tuner.engines import check_model
from tuner.errors import UserError
from tuner.features import FeatureModel
from tuner.models import BUILTIN, is_builtin, model_path
from tuner.space import Value, environment_domains


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


def study_domains(model: FeatureModel, models: Sequence[str]) -> dict[str, Sequence[Value]]:
    """Domains that this machine and the choice of models give the features of a space."""
    domains = dict(environment_domains(model))
    if "model" in model.features:
        domains["model"] = tuple(models)
    return domains


def is_gguf(name: str) -> bool:
    """Whether a model is a file of llama.cpp."""
    return name.endswith(".gguf")


def folder_of(name: str) -> Path | None:
    """Where the files of a model are; None for one on the hub."""
    folder = model_path(name) if is_builtin(name) else Path(name).expanduser()
    return folder if folder.is_dir() else None


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
