"""Writing results to a folder: what the engine reads, tables, and everything as JSON."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from tuner.advice.result import Recommendation, Result

CALL_ARGUMENTS = frozenset({"assistant_model"})
"""Request arguments that `generate` takes in the call and refuses in a generation config."""


def write_result(result: Result, folder: Path) -> None:
    """Write `result.json`, `trials.csv` and `recommended/*/` into an existing folder."""
    _write_json(folder / "result.json", result.to_dict())
    write_trials(result, folder / "trials.csv")
    for recommendation in result.recommended:
        target = folder / "recommended" / recommendation.name
        target.mkdir(parents=True, exist_ok=True)
        write_recommendation(recommendation, target)


def write_trials(result: Result, path: Path) -> None:
    """One row a trial: state, cause, features, and each metric with its 95 % interval."""
    rows = [_row(record.to_dict()) for record in result.trials]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)


def _row(record: dict[str, Any]) -> dict[str, Any]:
    failure = record["failure"] or {}
    row: dict[str, Any] = {
        "number": record["number"],
        "state": record["state"],
        "cause": failure.get("cause", ""),
        "message": failure.get("message", ""),
        "validity": record["validity"] or "",
        "seconds": record["seconds"],
    }
    row |= {f"feature:{name}": value for name, value in record["configuration"].items()}
    for name, metric in record["metrics"].items():
        row[f"{name} [{metric['unit']}]"] = metric["value"]
        row[f"{name} low"] = "" if metric["low"] is None else metric["low"]
        row[f"{name} high"] = "" if metric["high"] is None else metric["high"]
        if "energy_source" in metric:
            row["energy_source"] = metric["energy_source"]
    return row


def write_recommendation(recommendation: Recommendation, folder: Path) -> None:
    """Write `generation_config.json` and `engine.json`, what is given at load and run time."""
    settings = recommendation.measurement.settings
    generation = dict(settings.get("generation_config") or {})
    arguments = recommendation.arguments
    if not generation:
        generation = {k: v for k, v in arguments.request.items() if k not in CALL_ARGUMENTS}
    if generation:
        from transformers import GenerationConfig

        GenerationConfig.from_dict(generation).save_pretrained(folder)
    call = {k: v for k, v in arguments.request.items() if k in CALL_ARGUMENTS}
    _write_json(
        folder / "engine.json",
        {
            "roles": list(recommendation.roles),
            "load": dict(arguments.load),
            "call": call,
            "harness": dict(arguments.harness),
            "configuration": dict(recommendation.configuration),
            "versions": settings.get("versions", {}),
        },
    )


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n")
