"""Questions that need no count: is it sound, what always holds, what follows, why not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer

from tuner.cli.shared import AsJson
from tuner.cli.space._options import PATIENCE, File, Patience, Set, patient
from tuner.cli.space._output import check_digits, listed, print_answer, shown

if TYPE_CHECKING:
    from tuner.features import Cause, FeatureModel, Value


@patient
def check(file: File, patience: Patience = PATIENCE, as_json: AsJson = False) -> None:
    """Read a model, say what looks wrong in it, and whether it has a valid configuration."""
    from tuner.features import Solver, dead_values, explain, false_optional, lint

    model = _read(file)
    remarks = [str(remark) for remark in lint(model)]
    solver = Solver(model)
    possible = solver.satisfiable()
    answer: dict[str, Any] = {
        "features": len(model.features),
        "constraints": len(model.all_constraints),
        "satisfiable": possible,
        "warnings": remarks,
        "dead_values": _plain(dead_values(solver)) if possible else {},
        "false_optional": list(false_optional(solver)) if possible else [],
        "why": [] if possible else [_cause(cause) for cause in explain(solver)],
    }
    lines = [f"{answer['features']} features, {answer['constraints']} constraints"]
    lines += [f"warning: {remark}" for remark in remarks]
    lines += [
        f"note: {name} can never be {listed(values)}"
        for name, values in answer["dead_values"].items()
    ]
    if answer["false_optional"]:
        named = listed(answer["false_optional"])
        lines.append(f"note: selected wherever their parents are: {named}")
    lines.append("There are valid configurations." if possible else "No configuration is valid:")
    print_answer(as_json, answer, lines + _why(answer["why"]))
    if not possible:
        raise typer.Exit(1)


@patient
def core(file: File, patience: Patience = PATIENCE, as_json: AsJson = False) -> None:
    """List the features that every configuration has."""
    from tuner.features import Solver
    from tuner.features import core as answer

    names = answer(Solver(_read(file)))
    print_answer(as_json, {"core": names}, names)


@patient
def dead(file: File, patience: Patience = PATIENCE, as_json: AsJson = False) -> None:
    """List the features that no configuration has, and values that no feature takes."""
    from tuner.features import Solver, dead_values
    from tuner.features import dead as answer

    solver = Solver(_read(file))
    names = answer(solver)
    values = _plain(dead_values(solver)) if solver.satisfiable() else {}
    lines = [*names, *(f"{name}: {listed(never)}" for name, never in values.items())]
    print_answer(as_json, {"dead": names, "dead_values": values}, lines)


@patient
def atomic(file: File, patience: Patience = PATIENCE, as_json: AsJson = False) -> None:
    """List the sets of features that are selected together or not at all."""
    from tuner.features import Solver, atomic_sets

    sets = [group for group in atomic_sets(Solver(_read(file))) if len(group) > 1]
    print_answer(as_json, {"atomic": sets}, [listed(group) for group in sets])


@patient
def complete(
    file: File, given: Set = None, patience: Patience = PATIENCE, as_json: AsJson = False
) -> None:
    """Show what follows from some choices, and the valid configuration nearest to the default."""
    from tuner.features import Solver, consequences
    from tuner.features import complete as nearest

    model = _read(file)
    solver, choices = Solver(model), _choices(model, given)
    configuration = nearest(solver, choices)
    follows = consequences(solver, choices)
    values = {name: v[0] for name, v in follows.values.items() if len(v) == 1}
    lines = [
        f"follows: {listed(n for n in follows.selected if n not in values) or 'nothing'}",
        f"ruled out: {listed(follows.deselected) or 'nothing'}",
        *(f"follows: {name}={value}" for name, value in values.items()),
        f"still open: {listed(follows.open) or 'nothing'}",
        "",
        *_configuration(model, configuration),
    ]
    answer = {
        "selected": follows.selected,
        "deselected": follows.deselected,
        "values": _plain(follows.values),
        "open": follows.open,
        "configuration": configuration,
    }
    print_answer(as_json, answer, lines)


@patient
def explain(
    file: File, given: Set = None, patience: Patience = PATIENCE, as_json: AsJson = False
) -> None:
    """Say why choices are impossible: a smallest set of constraints and choices."""
    from tuner.features import Solver
    from tuner.features import explain as answer

    model = _read(file)
    causes = [_cause(c) for c in answer(Solver(model), _choices(model, given))]
    lines = ["These contradict one another:", *_why(causes)]
    print_answer(
        as_json, {"possible": not causes, "why": causes}, lines if causes else ["Possible."]
    )


@patient
def repair(
    file: File, given: Set = None, patience: Patience = PATIENCE, as_json: AsJson = False
) -> None:
    """Show the valid configuration nearest to the default one with some choices changed."""
    from tuner.features import Solver, changes, nearest_configuration, wished

    model = _read(file)
    wanted = wished(model, _choices(model, given))
    found = nearest_configuration(Solver(model), wanted)
    changed = changes(wanted, found)
    lines = [f"{name}: {shown(a)} -> {shown(b)}" for name, (a, b) in changed.items()]
    answer = {"changed": {k: list(v) for k, v in changed.items()}, "configuration": found}
    print_answer(
        as_json, answer, [*(lines or ["Valid as it is."]), "", *_configuration(model, found)]
    )


@patient
def diff(before: File, after: File, patience: Patience = PATIENCE, as_json: AsJson = False) -> None:
    """Compare two models: what is written, and which configurations come and go."""
    from dataclasses import asdict

    from tuner.features import diff as compare

    found = compare(_read(before), _read(after), seconds=patience / 4)
    for number in (found.kept, found.only_before, found.only_after):
        check_digits(number or 0)
    lines = [f"+ feature {name}" for name in found.added]
    lines += [f"- feature {name}" for name in found.removed]
    lines += [f"~ feature {name}: {'; '.join(words)}" for name, words in found.changed.items()]
    lines += [f"+ {text}" for text in found.constraints_added]
    lines += [f"- {text}" for text in found.constraints_removed]
    if found.kept is None:
        lines.append("The configurations were not compared: features or domains differ.")
    else:
        lines.append(
            f"{found.kind}: {found.kept} configurations in both, {found.only_before} only before,"
            f" {found.only_after} only after"
        )
    print_answer(as_json, {**asdict(found), "kind": found.kind}, lines)


def _read(file: str) -> FeatureModel:
    from tuner.space import load_model

    return load_model(file)


def _choices(model: FeatureModel, given: Sequence[str] | None) -> dict[str, Value]:
    from tuner.features import parse_pins, selections

    return selections(model, parse_pins(model, given or ()))


def _cause(cause: Cause) -> dict[str, Any]:
    found: dict[str, Any] = {"kind": cause.kind, "text": cause.text}
    if cause.constraint is not None:
        found |= {"line": cause.constraint.line, "comment": cause.constraint.comment}
    return found


def _why(causes: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = []
    for cause in causes:
        place = f" (line {cause['line']})" if cause.get("line") else ""
        lines.append(f"  {cause['kind']}: {cause['text']}{place}")
        lines += [f"      {text}" for text in str(cause.get("comment") or "").splitlines()]
    return lines


def _configuration(model: FeatureModel, configuration: Mapping[str, Value]) -> list[str]:
    return [
        f"{name}={shown(configuration[name])}" for name in model.features if name in configuration
    ]


def _plain(values: Mapping[str, Sequence[Value]]) -> dict[str, list[Value]]:
    return {name: list(some) for name, some in values.items()}
