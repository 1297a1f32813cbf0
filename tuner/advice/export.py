"""Writing results to a folder: what the engine reads, tables, and everything as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from tuner.advice.result import Recommendation, Result
from tuner.engines.backend import ExportedFile
from tuner.measure import InForce
from tuner.space import Arguments

Exporter = Callable[[Arguments, InForce], Sequence[ExportedFile]]
"""Makes files from a recommendation's arguments and from what was in force when it was measured.

`Backend.export` is one.
"""


def write_result(result: Result, folder: Path, exporters: Sequence[Exporter]) -> None:
    """Write `result.json`, `trials.csv` and `recommended/*/` into an existing folder."""
    _write_json(folder / "result.json", result.to_dict())
    result.to_frame().to_csv(folder / "trials.csv", index=False)
    for recommendation in result.recommended:
        target = folder / "recommended" / recommendation.name
        target.mkdir(parents=True, exist_ok=True)
        write_recommendation(recommendation, target, exporters)


def write_recommendation(
    recommendation: Recommendation, folder: Path, exporters: Sequence[Exporter]
) -> None:
    """Write the files of every exporter, and `engine.json` with everything."""
    arguments, in_force = recommendation.arguments, recommendation.measurement.in_force
    for exporter in exporters:
        for file in exporter(arguments, in_force):
            path = folder / file.name
            path.write_text(file.text)
            if file.executable:
                path.chmod(0o755)
    _write_json(
        folder / "engine.json",
        {
            "roles": list(recommendation.roles),
            "engine": in_force.engine,
            "versions": _versions(in_force),
            "load": dict(arguments.load),
            "request": dict(arguments.request),
            "harness": dict(arguments.harness),
            "hardware": dict(arguments.hardware),
            "configuration": dict(recommendation.configuration),
        },
    )


def _versions(in_force: InForce) -> dict[str, str]:
    """Of the engine and its libraries, by name; without those that nobody told."""
    own = {in_force.engine: in_force.version} if in_force.version else {}
    return {**own, **in_force.libraries}


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n")
