"""What is installed of a package, from its records and its source files, without importing it.

Importing an inference engine takes seconds and often a GPU; its version is in its package's
records, and the names of its arguments can be read off its source.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib import metadata, util
from pathlib import Path


def package_version(package: str) -> str | None:
    """The installed version of a package; None where it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def package_folder(package: str) -> Path | None:
    """Where the source files of a package are; None where it is not installed."""
    spec = util.find_spec(package)
    found = list(spec.submodule_search_locations or ()) if spec else []
    return Path(found[0]) if found else None


def class_definition(package: str, path: str, name: str) -> ast.ClassDef | None:
    """A class in a file of an installed package, parsed but not run; None where it is not there."""
    folder = package_folder(package)
    if folder is None or not (folder / path).is_file():
        return None
    return next((node for node in classes_in(folder / path) if node.name == name), None)


def classes_in(file: Path) -> list[ast.ClassDef]:
    """The classes at the top level of a source file."""
    body = ast.parse(file.read_text(encoding="utf-8")).body
    return [node for node in body if isinstance(node, ast.ClassDef)]


def annotated_fields(node: ast.ClassDef) -> Iterator[str]:
    """Names that a class declares with their types."""
    for statement in node.body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            yield statement.target.id
