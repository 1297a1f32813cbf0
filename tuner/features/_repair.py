"""The valid configuration nearest to one that is not, or to some choices."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Timer
from typing import Any

from tuner.features._deadline import check_deadline, remaining
from tuner.features._errors import ModelError
from tuner.features._explain import explain
from tuner.features._inert import default_children
from tuner.features._model import Feature, FeatureModel
from tuner.features._rows import chosen, position
from tuner.features._solver import Given, Solver
from tuner.features._values import Value

CHANGE = 1000
"""Cost of a feature selected or not against the wish, or of another value; a value further away
costs up to a tenth more."""

SHOWN = 20
"""Causes that an error names."""


def default_configuration(model: FeatureModel) -> dict[str, Value]:
    """What the defaults of the model say, valid or not."""
    found: dict[str, Value] = {}
    _select(model.root, found)
    return found


def _select(feature: Feature, found: dict[str, Value]) -> None:
    """Select a feature, and what its defaults select below it, unless it is selected."""
    if feature.name in found:
        return
    default = feature.default
    found[feature.name] = default if feature.typed and default is not None else True
    for group in feature.groups:
        everyone = group.kind in ("mandatory", "optional")
        if everyone or not any(child.name in found for child in group.features):
            for child in default_children(feature, group):
                _select(child, found)


def wished(model: FeatureModel, choices: Given) -> dict[str, Value]:
    """The default configuration with some choices changed, valid or not.

    A feature that is chosen brings its ancestors, and ousts the other alternatives beside them.
    """
    found = default_configuration(model)
    for name, value in choices.items():
        if not chosen(value):
            for feature in model.subtree(name):
                found.pop(feature.name, None)
            continue
        feature = model.features[name]
        while (place := model.parent_groups.get(feature.name)) is not None:
            if place[1].kind == "alternative":
                for other in place[1].features:
                    if other is not feature:
                        for ousted in model.subtree(other.name):
                            found.pop(ousted.name, None)
            _select(feature, found)
            feature = place[0]
        if value is not None and value is not True:
            found[name] = value
    return found


def nearest_configuration(
    solver: Solver, wanted: Mapping[str, Value | None], given: Given | None = None
) -> dict[str, Value]:
    """The valid configuration with the fewest features other than wanted.

    Args:
        solver: the model.
        wanted: a configuration; features that it leaves out are wanted not to be selected.
        given: choices that have to hold; `ModelError` where they are impossible.

    """
    from pysat.examples.rc2 import RC2
    from pysat.formula import WCNF

    fixed = solver.literals(given or {})
    if not solver.solve(fixed):
        causes = [f"`{cause.text}`" for cause in explain(solver, given)]
        rest = [f"and {len(causes) - SHOWN} more"] if len(causes) > SHOWN else []
        named = "; ".join([*causes[:SHOWN], *rest])
        raise ModelError(f"no valid configuration has these choices, because of {named}")
    wcnf = WCNF()
    wcnf.extend([list(clause) for clause in solver.clauses])
    wcnf.extend([[switch] for switch in solver.switches])
    wcnf.extend([[literal] for literal in fixed])
    encoding = solver.encoding
    for name, feature in solver.model.features.items():
        value, variable = wanted.get(name), encoding.selected[name]
        if not chosen(value):
            wcnf.append([-variable], weight=CHANGE)
            continue
        wcnf.append([variable], weight=CHANGE)
        if feature.typed and value is not True and len(encoding.classes[name]) > 1:
            index, n = position(feature, value), len(feature.domain)
            for literal, members in zip(
                encoding.literals[name], encoding.classes[name], strict=True
            ):
                far = min(abs(i - index) for i in members)
                if far:
                    wcnf.append([-literal], weight=CHANGE + far * CHANGE // (10 * n))
    with RC2(wcnf, solver="m22") as optimiser:
        solution = _optimum(optimiser)
    return solver.configuration(solution, {**wanted, **dict(fixed.values())})


def _optimum(optimiser: Any) -> list[int]:
    """The best solution, while there is time."""
    seconds, found = remaining(), None
    if seconds is None:
        found = optimiser.compute()
    else:
        timer = Timer(max(seconds, 0.0), optimiser.interrupt)
        timer.start()
        found = optimiser.compute(expect_interrupt=True)
        timer.cancel()
        timer.join()
    if found is None:
        check_deadline("find what is nearest")
    solution: list[int] = found
    return solution


def complete(solver: Solver, given: Given | None = None) -> dict[str, Value]:
    """The valid configuration with these choices that is nearest to the default one."""
    return nearest_configuration(solver, default_configuration(solver.model), given)


def changes(
    before: Mapping[str, Value | None], after: Mapping[str, Value | None]
) -> dict[str, tuple[Value | None, Value | None]]:
    """What differs between two configurations, as (before, after); None is not selected."""
    names = dict.fromkeys([*before, *after])
    pairs = {
        name: tuple(v if chosen(v) else None for v in (before.get(name), after.get(name)))
        for name in names
    }
    return {name: (a, b) for name, (a, b) in pairs.items() if a != b}
