"""The measured tables of a folder: entries of its `index.json`, their objectives and rows."""

from __future__ import annotations

import json
from pathlib import Path

from tuner.surrogates import Objective


def entries(folder: Path) -> list[dict]:
    """What the index says of each table, by name; the second, fourth, ... are held out."""
    found = json.loads((folder / "index.json").read_text())["tables"]
    return sorted(found, key=lambda entry: entry["name"])


def objectives_of(entry: dict) -> list[Objective]:
    """What was measured in a table, in the order of its columns."""
    return [
        Objective.parse(f"{name}:{stated['direction']}")
        for name, stated in entry["objectives"].items()
    ]
