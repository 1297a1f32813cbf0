"""`tune space`: questions to a feature model."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tuner.cli.shared import AsJson, group

if TYPE_CHECKING:
    from tuner.features import Cause, Compiled, FeatureModel, Rows, Value

app = group(
    "space", "Ask a feature model: is it sound, how many configurations, why not, which ones."
)

File = Annotated[str, typer.Argument(help="A .uvl file, or the name of a shipped space.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="A choice: feature=value, feature=false, parent=child."),
]
Patience = Annotated[float, typer.Option(help="Seconds after which it gives up.", min=0.1)]
All = Annotated[
    bool, typer.Option("--all", help="Also configurations that amount to another one (inert).")
]
PATIENCE = 7.0
MOST_DIGITS = 100_000
"""Digits of the longest count that is written out."""


def _patient(answer: Callable[..., None]) -> Callable[..., None]:
    """A command that gives up when the seconds of its option `--patience` are over."""

    @wraps(answer)
    def limited(*arguments: Any, **options: Any) -> None:
        from tuner.features import within

        sys.set_int_max_str_digits(MOST_DIGITS)
        with within(options["patience"]):
            answer(*arguments, **options)

    return limited


class Method(StrEnum):
    """How configurations are sampled."""

    UNIFORM = "uniform"
    WEIGHTED = "weighted"
    TWISE = "twise"
    MAXIMIN = "maximin"
    DISTANCE = "distance"
    ONEWISE = "onewise"


@app.command()
@_patient
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
        f"note: {name} can never be {_listed(values)}"
        for name, values in answer["dead_values"].items()
    ]
    if answer["false_optional"]:
        named = _listed(answer["false_optional"])
        lines.append(f"note: selected wherever their parents are: {named}")
    lines.append("There are valid configurations." if possible else "No configuration is valid:")
    _tell(as_json, answer, lines + _why(answer["why"]))
    if not possible:
        raise typer.Exit(1)


@app.command()
@_patient
def count(
    file: File,
    given: Set = None,
    every: All = False,
    patience: Patience = PATIENCE,
    as_json: AsJson = False,
) -> None:
    """Count the configurations exactly."""
    compiled = _compiled(_read(file), given, every)
    _writable(compiled.count)
    _tell(as_json, {"configurations": compiled.count}, [str(compiled.count)])


@app.command()
@_patient
def core(file: File, patience: Patience = PATIENCE, as_json: AsJson = False) -> None:
    """List the features that every configuration has."""
    from tuner.features import Solver
    from tuner.features import core as answer

    names = answer(Solver(_read(file)))
    _tell(as_json, {"core": names}, names)


@app.command()
@_patient
def dead(file: File, patience: Patience = PATIENCE, as_json: AsJson = False) -> None:
    """List the features that no configuration has, and values that no feature takes."""
    from tuner.features import Solver, dead_values
    from tuner.features import dead as answer

    solver = Solver(_read(file))
    names = answer(solver)
    values = _plain(dead_values(solver)) if solver.satisfiable() else {}
    lines = [*names, *(f"{name}: {_listed(never)}" for name, never in values.items())]
    _tell(as_json, {"dead": names, "dead_values": values}, lines)


@app.command()
@_patient
def atomic(file: File, patience: Patience = PATIENCE, as_json: AsJson = False) -> None:
    """List the sets of features that are selected together or not at all."""
    from tuner.features import Solver, atomic_sets

    sets = [group for group in atomic_sets(Solver(_read(file))) if len(group) > 1]
    _tell(as_json, {"atomic": sets}, [_listed(group) for group in sets])


@app.command()
@_patient
def commonality(
    file: File,
    given: Set = None,
    every: All = False,
    patience: Patience = PATIENCE,
    as_json: AsJson = False,
) -> None:
    """Show for each feature the share of the configurations that have it."""
    model = _read(file)
    compiled = _compiled(model, given, every)
    shares = {name: float(share) for name, share in compiled.commonality().items()}
    values = {
        name: {
            str(value): n / compiled.count
            for value, n in zip(feature.domain, compiled.value_counts(name), strict=True)
        }
        for name, feature in model.features.items()
        if feature.typed
    }
    answer = {"commonality": shares, "values": values}
    _tell(as_json, answer, [f"{share:8.4f}  {name}" for name, share in shares.items()])


@app.command()
@_patient
def complete(
    file: File, given: Set = None, patience: Patience = PATIENCE, as_json: AsJson = False
) -> None:
    """Show what follows from some choices, and the valid configuration nearest to the default."""
    from tuner.features import Solver, consequences, parse_choices
    from tuner.features import complete as nearest

    model = _read(file)
    solver, choices = Solver(model), parse_choices(model, given or ())
    configuration = nearest(solver, choices)
    follows = consequences(solver, choices)
    values = {name: v[0] for name, v in follows.values.items() if len(v) == 1}
    lines = [
        f"follows: {_listed(n for n in follows.selected if n not in values) or 'nothing'}",
        f"ruled out: {_listed(follows.deselected) or 'nothing'}",
        *(f"follows: {name}={value}" for name, value in values.items()),
        f"still open: {_listed(follows.open) or 'nothing'}",
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
    _tell(as_json, answer, lines)


@app.command()
@_patient
def explain(
    file: File, given: Set = None, patience: Patience = PATIENCE, as_json: AsJson = False
) -> None:
    """Say why choices are impossible: a smallest set of constraints and choices."""
    from tuner.features import Solver, parse_choices
    from tuner.features import explain as answer

    model = _read(file)
    causes = [_cause(c) for c in answer(Solver(model), parse_choices(model, given or ()))]
    lines = ["These contradict one another:", *_why(causes)]
    _tell(as_json, {"possible": not causes, "why": causes}, lines if causes else ["Possible."])


@app.command()
@_patient
def repair(
    file: File, given: Set = None, patience: Patience = PATIENCE, as_json: AsJson = False
) -> None:
    """Show the valid configuration nearest to the default one with some choices changed."""
    from tuner.features import Solver, changes, nearest, parse_choices, wished

    model = _read(file)
    wanted = wished(model, parse_choices(model, given or ()))
    found = nearest(Solver(model), wanted)
    changed = changes(wanted, found)
    lines = [f"{name}: {_shown(a)} -> {_shown(b)}" for name, (a, b) in changed.items()]
    answer = {"changed": {k: list(v) for k, v in changed.items()}, "configuration": found}
    _tell(as_json, answer, [*(lines or ["Valid as it is."]), "", *_configuration(model, found)])


@app.command("list")
@_patient
def list_(
    file: File,
    given: Set = None,
    n: Annotated[int, typer.Option("-n", help="How many at most.", min=1)] = 100,
    every: All = False,
    patience: Patience = PATIENCE,
    as_json: AsJson = False,
) -> None:
    """List configurations, in a fixed order."""
    import numpy as np

    compiled = _compiled(_read(file), given, every)
    rows = compiled.at(np.arange(min(n, compiled.count)))
    _table(compiled.model, compiled.layout.configurations(rows), as_json)


@app.command()
@_patient
def diff(before: File, after: File, patience: Patience = PATIENCE, as_json: AsJson = False) -> None:
    """Compare two models: what is written, and which configurations come and go."""
    from dataclasses import asdict

    from tuner.features import diff as compare

    found = compare(_read(before), _read(after), seconds=patience / 4)
    for number in (found.kept, found.only_before, found.only_after):
        _writable(number or 0)
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
    _tell(as_json, {**asdict(found), "kind": found.kind}, lines)


@app.command()
@_patient
def sample(
    file: File,
    given: Set = None,
    n: Annotated[int, typer.Option("-n", help="How many (not for covers).", min=1)] = 10,
    method: Annotated[Method, typer.Option(help="How.")] = Method.WEIGHTED,
    t: Annotated[int, typer.Option(help="Cover single choices, pairs or triples.")] = 2,
    seed: Annotated[int, typer.Option(help="The same seed gives the same sample.", min=0)] = 0,
    patience: Patience = PATIENCE,
    as_json: AsJson = False,
) -> None:
    """Sample configurations, as CSV or JSON."""
    from tuner.features import Rules

    model = _read(file)
    rows = _sampled(model, given, n, method, t, seed)
    _table(model, Rules(model).layout.configurations(rows), as_json)


def _sampled(
    model: FeatureModel,
    given: list[str] | None,
    n: int,
    method: Method,
    t: int,
    seed: int,
) -> Rows:
    import numpy as np

    from tuner.errors import UserError
    from tuner.features import by_distance, cover, maximin, one_wise

    rng = np.random.default_rng(seed)
    if method is Method.TWISE:
        if given:
            raise UserError("a cover is of the whole model: leave out --set")
        return cover(model, t, rng)
    compiled = _compiled(model, given, every=False)
    if method in (Method.MAXIMIN, Method.DISTANCE, Method.ONEWISE) and given:
        raise UserError(f"--method {method} is of the whole model: leave out --set")
    if method is Method.MAXIMIN:
        return maximin(compiled, n, rng)
    if method is Method.DISTANCE:
        return by_distance(compiled, n, rng)
    if method is Method.ONEWISE:
        return one_wise(compiled)
    return compiled.sample(n, rng, weighted=method is Method.WEIGHTED)


def _read(file: str) -> FeatureModel:
    from tuner.space import load_model

    return load_model(file)


def _compiled(model: FeatureModel, given: list[str] | None, every: bool) -> Compiled:
    from tuner.features import compile_model, parse_choices

    choices = parse_choices(model, given or ())
    compiled = compile_model(model, canonical=not every)
    return compiled.given(choices) if choices else compiled


def _writable(number: int) -> None:
    """Refuse a number that nobody could read."""
    from tuner.errors import UserError

    digits = int(number.bit_length() * 0.30103) + 1
    if digits > MOST_DIGITS:
        raise UserError(f"a count has about {digits} digits, more than {MOST_DIGITS}: not shown")


def _tell(as_json: bool, answer: Mapping[str, Any], lines: Iterable[str]) -> None:
    if as_json:
        print(json.dumps(answer, indent=2, ensure_ascii=False))
        return
    for line in lines:
        print(line)


def _table(
    model: FeatureModel, configurations: Sequence[Mapping[str, Value]], as_json: bool
) -> None:
    """Configurations as JSON, or as CSV with a column for every feature; empty: not selected."""
    import csv

    if as_json:
        print(json.dumps(configurations, indent=2, ensure_ascii=False))
        return
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(model.features)
    for configuration in configurations:
        writer.writerow(_shown(configuration.get(name), "") for name in model.features)


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
        f"{name}={_shown(configuration[name])}" for name in model.features if name in configuration
    ]


def _plain(values: Mapping[str, Sequence[Value]]) -> dict[str, list[Value]]:
    return {name: list(some) for name, some in values.items()}


def _listed(values: Iterable[object]) -> str:
    return ", ".join(str(value) for value in values)


def _shown(value: Value | None, missing: str = "not selected") -> str:
    if value is None:
        return missing
    return str(value).lower() if isinstance(value, bool) else str(value)
