"""The result of a study from its folder, finished or still running."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tuner.advice.effects import Effect
from tuner.advice.result import Comparison, FrontPoint, Recommendation, Result
from tuner.advice.simplify import Change
from tuner.advice.slo import InfeasibleSlo, LevelCheck
from tuner.errors import UserError
from tuner.measure import EnergyPart, EnergyProvenance, InForce, Measurement, Metric
from tuner.search import Objective, non_dominated
from tuner.space import Arguments, Configuration
from tuner.study import Record, StudySpec
from tuner.study.storage import read_records


def load(folder: str | Path) -> Result:
    """The result of a study, from the folder that `tune run --out` or `tuner.tune(out=...)` wrote.

    Trials come with all that was measured. Of recommendations and the default there is what
    `result.json` holds: values and intervals, not single repeats and scores. A study that has not
    ended has trials and a front, but no recommendations. Nothing in the folder is changed.

    Raises:
        UserError: the folder holds no study, or a damaged one.
    """
    folder = Path(folder)
    written, database = folder / "result.json", folder / "study.db"
    if not database.is_file():
        raise UserError(
            f"{folder} holds no study (there is no study.db in it); name a folder that "
            "`tune run --out` has written."
        )
    records = read_records(database)
    if not written.is_file():
        return _running(StudySpec.load(folder / "spec.json"), records)
    try:
        return _finished(json.loads(written.read_text()), records)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{written} does not hold the result of a study ({type(error).__name__}: {error}); "
            "run the same command with the same --out again, which writes it anew."
        ) from error


def _running(spec: StudySpec, records: Sequence[Record]) -> Result:
    if not records:
        raise UserError("no trial of this study has ended yet; come back later.")
    objectives = tuple(Objective.parse(text) for text in spec.effective_objectives)
    complete = [record for record in records if record.state == "complete"]
    values = np.array([record.values for record in complete], dtype=float)
    on_front = non_dominated(values, objectives) if complete else np.zeros(0, dtype=bool)
    default = records[0]  # the first proposal is the engine's default
    return Result(
        recommended=(),
        front=tuple(
            FrontPoint(
                record.configuration,
                dict(zip((o.metric for o in objectives), record.values, strict=True)),
                verified=False,
            )
            for record, on in zip(complete, on_front, strict=True)
            if on
        ),
        default=default.configuration,
        default_measurement=default.measurement if default.state == "complete" else None,
        trials=tuple(records),
        stopped_by="the study has not ended",
        objectives=spec.effective_objectives,
        accuracy_tolerance=spec.accuracy_tolerance,
        seconds=sum(r.measurement.seconds for r in records if r.measurement),
        levels=spec.levels,
    )


def _finished(data: Mapping[str, Any], records: Sequence[Record]) -> Result:
    default = data["default"]
    return Result(
        recommended=tuple(_recommendation(entry) for entry in data["recommended"]),
        front=tuple(
            FrontPoint(Configuration.of(p["configuration"]), p["values"], p["verified"])
            for p in data["front"]
        ),
        default=Configuration.of(default["configuration"]),
        default_measurement=_measurement(default) if default["metrics"] else None,
        trials=tuple(records[: len(data["trials"])]),
        stopped_by=data["stopped_by"],
        objectives=tuple(data["objectives"]),
        accuracy_tolerance=data["accuracy_tolerance"],
        seconds=data["seconds"],
        notes=tuple(data["notes"]),
        levels=tuple(data["service_levels"]),
        unmet=_unmet(data["unmet"]),
        effects=tuple(Effect(**entry) for entry in data["effects"]),
    )


def _recommendation(entry: Mapping[str, Any]) -> Recommendation:
    return Recommendation(
        roles=tuple(entry["roles"]),
        configuration=Configuration.of(entry["configuration"]),
        arguments=Arguments(**entry["arguments"]),
        measurement=_measurement(entry),
        comparisons=tuple(_comparison(*pair) for pair in entry["versus_default"].items()),
        verified=entry["verified"],
        levels=tuple(LevelCheck.from_dict(check) for check in entry["service_levels"]),
        changes=tuple(Change(**change) for change in entry.get("changes", ())),
    )


def _comparison(metric: str, entry: Mapping[str, Any]) -> Comparison:
    changes = ("change", "change_low", "change_high")
    percents = {name: entry[f"{name}_percent"] for name in changes}
    shares: dict[str, Any] = {n: None if p is None else p / 100 for n, p in percents.items()}
    rest = {k: v for k, v in entry.items() if not k.endswith("_percent") and k != "resolved"}
    return Comparison(metric=metric, **rest, **shares)


def _unmet(entry: Mapping[str, Any] | None) -> InfeasibleSlo | None:
    if entry is None:
        return None
    closest = Configuration.of(entry["closest"])
    checks = tuple(LevelCheck.from_dict(check) for check in entry["checks"])
    return InfeasibleSlo(**{**entry, "closest": closest, "checks": checks})


def _measurement(entry: Mapping[str, Any]) -> Measurement:
    """A measurement as far as `result.json` tells it."""
    return Measurement(
        metrics={
            name: Metric(
                m["value"], m["unit"], m["low"], m["high"], None, m["repeats"], m["source"]
            )
            for name, m in entry["metrics"].items()
        },
        validity=entry.get("validity", "valid"),
        reasons=tuple(entry.get("reasons", ())),
        energy=_energy(entry["metrics"]),
        in_force=_in_force(entry),
    )


def _in_force(entry: Mapping[str, Any]) -> InForce:
    """The record of what ran; before there was one, a free dictionary `settings` stood there."""
    if "in_force" in entry:
        return InForce.from_dict(entry["in_force"])
    return InForce.from_settings(entry["settings"])


def _energy(metrics: Mapping[str, Mapping[str, Any]]) -> EnergyProvenance | None:
    metered = next((m for m in metrics.values() if "energy_source" in m), None)
    if metered is None:
        return None
    names = ("energy_source", "energy_scope", "energy_quantisation_rel", "window_s")
    parts = tuple(EnergyPart(**part) for part in metered.get("energy_parts", ()))
    return EnergyProvenance(**{name: metered[name] for name in names}, parts=parts)
