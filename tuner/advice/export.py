"""Writing results to a folder: what the engine reads, tables, and everything as JSON."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuner.advice.result import Recommendation, Result
from tuner.space import Arguments

CALL_ARGUMENTS = frozenset({"assistant_model"})
"""Request arguments that `generate` takes in the call and refuses in a generation config."""

PORT = 8000
"""Where a recommended server listens, in the script that starts it."""


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
    """Write what the engine reads, and `engine.json` with everything.

    For transformers that is `generation_config.json`; for a server `serve.sh`, which starts it on
    port 8000, and `request.json`, the fields of a request; for vLLM also `config.yaml`.
    """
    settings, arguments = recommendation.measurement.settings, recommendation.arguments
    served = "command" in settings or "url" in settings
    call = {k: v for k, v in arguments.request.items() if served or k in CALL_ARGUMENTS}
    _write_json(
        folder / "engine.json",
        {
            "roles": list(recommendation.roles),
            "load": dict(arguments.load),
            "call": call,
            "harness": dict(arguments.harness),
            "hardware": dict(arguments.hardware),
            "configuration": dict(recommendation.configuration),
            "versions": settings.get("versions", {}),
        },
    )
    if served:
        _write_served(settings, arguments, folder)
    else:
        _write_generation(settings, arguments, folder)


def _write_generation(settings: Mapping[str, Any], arguments: Arguments, folder: Path) -> None:
    generation = dict(settings.get("generation_config") or {})
    if not generation:
        generation = {k: v for k, v in arguments.request.items() if k not in CALL_ARGUMENTS}
    if generation:
        from transformers import GenerationConfig

        GenerationConfig.from_dict(generation).save_pretrained(folder)


def _write_served(settings: Mapping[str, Any], arguments: Arguments, folder: Path) -> None:
    if "command" in settings:
        line = re.sub(r"--port[ =]\d+", f"--port {PORT}", str(settings["command"]))
        (folder / "serve.sh").write_text(f"#!/bin/sh\nexec {line}\n")
        (folder / "serve.sh").chmod(0o755)
    if settings.get("engine") == "vllm":
        options = nested({k: v for k, v in arguments.load.items() if k != "model"})
        lines = [f"{k.replace('_', '-')}: {json.dumps(v)}" for k, v in options.items()]
        (folder / "config.yaml").write_text("\n".join(["model: " + json.dumps(
            arguments.load.get("model", "")), *lines]) + "\n")  # fmt: skip
    if arguments.request:
        _write_json(folder / "request.json", nested(arguments.request))


def nested(told: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments with the ones that belong together in one object: `a.b` becomes `b` in `a`."""
    found: dict[str, Any] = {}
    for name, value in told.items():
        outer, dot, inner = name.partition(".")
        if dot:
            found.setdefault(outer, {})[inner] = value
        else:
            found[name] = value
    return found


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n")
