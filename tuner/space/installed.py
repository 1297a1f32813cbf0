"""Whether a space fits the release of the engine that is installed.

Nothing of an engine is imported for that, which would take seconds and a GPU: its version is in
its package's records, and the names of its arguments are read off its source files.
"""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from importlib import metadata, util
from pathlib import Path

from tuner.features import FeatureModel

_SERVER = "llama-server"


def installed_version(engine: str) -> str | None:
    """The installed version of an engine as the spaces call it; None where it is not installed."""
    if engine == "llama.cpp":
        said = re.search(r"version: (\d[\w.]*)", _said_by_llama_cpp("--version"))
        return said[1] if said else None
    try:
        return metadata.version(engine) if engine else None
    except metadata.PackageNotFoundError:
        return None


def version_warning(model: FeatureModel, version: str | None = None) -> str | None:
    """A sentence where the model was written for other releases than the one installed.

    `version` is what a running engine says of itself; None looks for what is installed here.
    None comes back where it fits, where it does not say, and where the engine is not installed.
    """
    from packaging.specifiers import SpecifierSet
    from packaging.version import InvalidVersion

    engine = str(model.root.attributes.get("engine", ""))
    range_ = str(model.root.attributes.get("engine_version", ""))
    version = version or installed_version(engine)
    if version is None:
        return None
    try:
        fits = SpecifierSet(range_).contains(version, prereleases=True)
    except InvalidVersion:  # the name of a build, which says nothing of its release
        return None
    if fits:
        return None
    return (
        f"{Path(model.source).name} was written for {engine} {range_}, but this is {version}: "
        "it may offer what this release does not take, and miss what is new."
    )


def unknown_arguments(model: FeatureModel) -> tuple[str, ...] | None:
    """The model's arguments of role `load` that the installed engine does not know.

    For transformers its generation settings are looked at as well. None where the engine is not
    installed, or its sources are not where they were.
    """
    read = _READERS.get(str(model.root.attributes.get("engine", "")))
    known = read() if read else frozenset()
    if not known:
        return None
    return tuple(name for name in _arguments(model) if not _is_known(name, known))


def _arguments(model: FeatureModel) -> Iterator[str]:
    """What the engine is told at the start, and as a generation setting; each name once."""
    names: dict[str, None] = {}
    for feature in model.features.values():
        given = feature.attributes
        found = [str(value) for key, value in given.items() if re.fullmatch(r"arg\d*", key)]
        if feature.typed and "arg" not in given:
            found.append(feature.name)
        role = model.inherited(feature.name, "role")
        for name in found:
            if role == "load" or name.startswith("generation_config."):
                names[name] = None
    yield from names


def _is_known(name: str, known: frozenset[str]) -> bool:
    return name == "model" or name in known or name.removeprefix("no_") in known


def _transformers() -> frozenset[str]:
    """Options of `transformers serve`, and generation settings with their prefix."""
    serve = _class("transformers", "cli/serve.py", "Serve")
    config = _class("transformers", "generation/configuration_utils.py", "GenerationConfig")
    if serve is None or config is None:
        return frozenset()
    options = {
        argument.arg
        for node in serve.body
        if isinstance(node, ast.FunctionDef) and node.name == "__init__"
        for argument in node.args.args
    }
    settings = {
        f"generation_config.{node.attr}"
        for node in ast.walk(config)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    }
    return frozenset(options | settings)


def _vllm() -> frozenset[str]:
    """Options of `vllm serve`, and the entries of the two that are nested."""
    places = (
        ("", "engine/arg_utils.py", "EngineArgs"),
        ("compilation_config.", "config/compilation.py", "CompilationConfig"),
        ("speculative_config.", "config/speculative.py", "SpeculativeConfig"),
    )
    found = [(prefix, _class("vllm", path, name)) for prefix, path, name in places]
    if any(node is None for _, node in found):
        return frozenset()
    return frozenset(prefix + name for prefix, node in found if node for name in _fields(node))


def _sglang() -> frozenset[str]:
    """Options of the server, which are declared in groups."""
    folder = _folder("sglang")
    if folder is None:
        return frozenset()
    files = [*(folder / "srt" / "arg_groups" / "fields").glob("*.py")]
    classes = [
        node
        for file in files
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef)
    ]
    return frozenset(name for node in classes for name in _fields(node))


def _llama_cpp() -> frozenset[str]:
    """Long options of the server, as its help lists them."""
    listed = re.findall(r"--([a-z][a-z0-9-]+)", _said_by_llama_cpp("--help"))
    return frozenset(name.replace("-", "_") for name in listed)


_READERS: dict[str, Callable[[], frozenset[str]]] = {
    "transformers": _transformers,
    "vllm": _vllm,
    "sglang": _sglang,
    "llama.cpp": _llama_cpp,
}


def _said_by_llama_cpp(option: str) -> str:
    path = shutil.which(_SERVER)
    if path is None:
        return ""
    try:
        said = subprocess.run(
            [path, option], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return said.stdout + said.stderr


def _folder(package: str) -> Path | None:
    spec = util.find_spec(package)
    found = list(spec.submodule_search_locations or ()) if spec else []
    return Path(found[0]) if found else None


def _class(package: str, path: str, name: str) -> ast.ClassDef | None:
    """A class in a file of an installed package, parsed but not run."""
    folder = _folder(package)
    if folder is None or not (folder / path).is_file():
        return None
    body = ast.parse((folder / path).read_text(encoding="utf-8")).body
    return next((n for n in body if isinstance(n, ast.ClassDef) and n.name == name), None)


def _fields(node: ast.ClassDef) -> Iterator[str]:
    """Names that a class declares with their types."""
    for statement in node.body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            yield statement.target.id
