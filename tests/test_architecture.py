"""The directions between the rooms: arrows go down only (docs/architecture.md)."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "tuner"

MAY_IMPORT = {
    "errors": set(),
    "metrics": set(),
    "features": {"errors"},
    "space": {"errors", "metrics", "features"},
    "builtin_models": {"errors"},
    "workloads": {"errors"},
    "tasks": {"errors", "builtin_models", "workloads"},
    "surrogates": {"errors", "metrics", "space"},
    "search": {"errors", "metrics", "space", "surrogates"},
    "measure": {"errors", "metrics", "space", "workloads"},
    "engines": {"errors", "metrics", "space", "builtin_models", "workloads", "measure"},
    "hardware": {"errors", "measure"},
    "study": {
        "errors",
        "metrics",
        "features",
        "space",
        "search",
        "builtin_models",
        "tasks",
        "workloads",
        "measure",
        "engines",
    },
    "advice": {"errors", "metrics", "space", "search", "surrogates", "measure", "engines", "study"},
    "report": {"errors", "metrics", "space", "search", "measure", "study", "advice"},
    "compare": {
        "errors",
        "metrics",
        "measure",
        "report",
        "run",
        "search",
        "space",
        "study",
    },
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


def module_of(path: Path) -> str:
    name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    return name.removesuffix(".__init__")


def needed(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those under `if TYPE_CHECKING:`, inside functions too."""
    yield tree
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            continue
        yield from needed(child)


def imported_modules(path: Path, modules: set[str]) -> set[str]:
    """The modules of tuner that a file imports, lazily or not, as far as it names them.

    `from package import name` is the module `package.name` where there is one, else the package.
    """
    found = set()
    for node in needed(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in modules else str(node.module))
    return found & modules - {module_of(path)}


def circles(arrows: dict[str, set[str]]) -> list[list[str]]:
    """Groups of modules of which each imports all others, directly or not."""
    reached: dict[str, set[str]] = {}
    for start in arrows:
        seen, waiting = set(), [start]
        while waiting:
            for other in arrows[waiting.pop()] - seen:
                seen.add(other)
                waiting.append(other)
        reached[start] = seen
    groups = {
        frozenset(b for b in reached[a] if a in reached[b]) for a in arrows if a in reached[a]
    }
    return sorted(sorted(group) for group in groups)


def test_a_circle_is_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == [["b", "c"]]
    code = "if TYPE_CHECKING:\n    import x\ndef f():\n    import y\n"
    names = [n.names[0].name for n in needed(ast.parse(code)) if isinstance(n, ast.Import)]
    assert names == ["y"]


def test_no_module_imports_itself_by_way_of_others():
    modules = {module_of(path) for path in PACKAGE.rglob("*.py")}
    arrows = {module_of(p): imported_modules(p, modules) for p in PACKAGE.rglob("*.py")}
    assert circles(arrows) == []


LONGEST_FILE = 350


def test_no_file_is_longer_than_a_person_reads_at_once():
    lengths = {
        str(p.relative_to(PACKAGE)): len(p.read_text().splitlines()) for p in PACKAGE.rglob("*.py")
    }
    assert {name: n for name, n in lengths.items() if n > LONGEST_FILE} == {}


def test_the_command_line_starts_without_the_heavy_libraries():
    code = (
        "import sys, tuner.cli.app; "
        "heavy = {'torch', 'botorch', 'optuna', 'transformers', 'pandas', 'numpy', 'matplotlib'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_the_watchdog_of_the_gpus_starts_without_numpy():
    """It has to be there soon, and one thread can be waited for."""
    code = "import sys; from tuner.hardware import journal, settings; print('numpy' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


def test_a_name_means_one_thing():
    """No public class and no module is called like another one; commands may be like modules."""
    modules: dict[str, list[str]] = {}
    classes: dict[str, list[str]] = {}
    for path in SOURCES:
        name = str(path.relative_to(PACKAGE))
        if path.stem != "__init__" and room_of(path) != "cli":
            modules.setdefault(path.stem, []).append(name)
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                classes.setdefault(node.name, []).append(name)
    assert not {name: where for name, where in modules.items() if len(where) > 1}
    assert not {name: where for name, where in classes.items() if len(where) > 1}
