"""The directions between the rooms: arrows go down only (docs/architecture.md)."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "tuner"

MAY_IMPORT = {
    "errors": set(),
    "features": {"errors"},
    "space": {"errors", "features"},
    "models": {"errors"},
    "workloads": {"errors"},
    "tasks": {"errors", "models", "workloads"},
    "surrogates": {"errors", "space"},
    "search": {"errors", "space", "surrogates"},
    "measure": {"errors", "space", "workloads"},
    "engines": {"errors", "space", "models", "workloads", "measure"},
    "hardware": {"errors", "measure"},
    "study": {
        "errors",
        "features",
        "space",
        "search",
        "models",
        "tasks",
        "workloads",
        "measure",
        "engines",
    },
    "advice": {"errors", "space", "search", "surrogates", "measure", "engines", "study"},
    "report": {"errors", "space", "search", "measure", "study", "advice"},
    "checkup": {"errors", "space", "measure", "engines", "hardware"},
    "run": {"*"},
    "api": {"*"},
    "cli": {"*"},
}


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [node.module]
            if node.module == "tuner":
                names = [f"tuner.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        rooms |= {name.split(".")[1] for name in names if name.startswith("tuner.")}
    return rooms


SOURCES = sorted(p for p in PACKAGE.rglob("*.py") if p != PACKAGE / "__init__.py")


@pytest.mark.parametrize("room", sorted({room_of(p) for p in SOURCES}))
def test_arrows_between_rooms_go_down_only(room):
    allowed = MAY_IMPORT[room] | {room}
    wrong = {
        f"{path.relative_to(PACKAGE)} -> {other}"
        for path in SOURCES
        if room_of(path) == room
        for other in imported_rooms(path)
        if other not in allowed and (allowed != {"*", room} or other == "cli")
    }
    assert not wrong


def test_nobody_imports_the_command_line():
    assert not [p for p in SOURCES if room_of(p) != "cli" and "cli" in imported_rooms(p)]


def test_the_command_line_starts_without_the_heavy_libraries():
    code = (
        "import sys, tuner.cli.app; "
        "heavy = {'torch', 'botorch', 'optuna', 'transformers', 'pandas', 'numpy', 'matplotlib'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
