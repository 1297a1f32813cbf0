"""Random feature models of every language level, and what is true of them by brute force.

The oracle walks the tree and the constraints in plain Python, one configuration at a time, and
shares no code with the evaluation, the encoding or the compiler that it judges.
"""

from __future__ import annotations

import itertools
import math
import random

import numpy as np

from tuner.features import FeatureModel, layout_of
from tuner.features import expression as ast

TEXTS = ("a", "bb", "ccc")


# --- random models ------------------------------------------------------------------------------


class Writer:
    """Writes one random model as UVL text."""

    def __init__(
        self,
        seed: int,
        *,
        features: int = 8,
        constraints: int = 4,
        inert: bool = False,
        boolean: bool = False,
    ):
        self.random = random.Random(seed)
        self.left = self.random.randint(features // 2 if boolean else 2, features)
        self.n_constraints = self.random.randint(0, constraints)
        self.inert = inert
        self.boolean = boolean  # the Boolean level alone, which every tool understands
        self.names: list[str] = []
        self.types: dict[str, str] = {}
        self.costs: list[str] = []
        self.lines: list[str] = []

    def text(self) -> str:
        self.feature(1, root=True)
        body = "\n".join(self.lines)
        while "@" in body:  # conditions of inert features, now that every name is known
            body = body.replace("@", self.condition(1).replace("'", "`"), 1)
        lines = ["features", body]
        if self.n_constraints:
            lines.append("constraints")
            lines += ["\t" + self.condition(3) for _ in range(self.n_constraints)]
        return "\n".join(lines) + "\n"

    def feature(self, depth: int, *, root: bool = False) -> None:
        r = self.random
        self.left -= 1
        name = f"F{len(self.names)}"
        kind = "Boolean"
        if not root and not self.boolean:
            kind = r.choice(["Boolean"] * 3 + ["Integer", "Real", "String"])
        self.names.append(name)
        self.types[name] = kind
        attributes = self.domain(kind)
        if not self.boolean and r.random() < 0.5:
            attributes.append(f"cost {r.choice(['1', '2', '-3', '0.5'])}")
            self.costs.append(name)
        if self.inert and not root and r.random() < 0.35:
            attributes.append("inert '@'")
        typed = "" if kind == "Boolean" else kind + " "
        suffix = " {" + ", ".join(attributes) + "}" if attributes else ""
        self.lines.append("\t" * depth + typed + name + suffix)
        while self.left > 0 and r.random() < (0.95 if root else 0.5):
            n = min(self.left, r.randint(1, 4))
            lower = r.randint(0, n)
            kind = r.choice(
                ["mandatory", "optional", "or", "alternative", f"[{lower}..{r.randint(lower, n)}]"]
            )
            self.lines.append("\t" * (depth + 1) + kind)
            for _ in range(n):
                if self.left > 0:
                    self.feature(depth + 2)

    def domain(self, kind: str) -> list[str]:
        r = self.random
        if kind == "Integer":
            values = sorted(r.sample([-1, 0, 1, 2, 3, 4, 6, 8], r.randint(2, 4)))
            listed = "values [" + ", ".join(map(str, values)) + "]"
            return r.choice([[listed, f"default {values[-1]}"], ["min 1", "max 3"]])
        if kind == "Real":
            return r.choice([["values [0.5, 1.5, 2.0]"], ["min 0.1", "max 0.4", "step 0.1"]])
        if kind == "String":
            return ["values ['a', 'bb', 'ccc']"]
        return []

    def condition(self, depth: int) -> str:
        r = self.random
        roll = r.random()
        if depth == 0 or roll < 0.25:
            return r.choice(["", "!"]) + r.choice(self.names)
        if roll < 0.55 and not self.boolean:
            return self.comparison()
        operator = r.choice(["&", "|", "=>", "<=>"])
        parts = [self.condition(depth - 1) for _ in range(2)]
        return f"{r.choice(['', '!'])}({parts[0]} {operator} {parts[1]})"

    def comparison(self) -> str:
        r = self.random
        texts = [name for name, kind in self.types.items() if kind == "String"]
        if texts and r.random() < 0.3:
            other = r.choice([f"'{r.choice(TEXTS)}'", r.choice(texts)])
            return f"{r.choice(texts)} {r.choice(['==', '!='])} {other}"
        operator = r.choice(["==", "!=", "<", "<=", ">", ">="])
        return f"{self.term(2)} {operator} {self.term(1)}"

    def term(self, depth: int) -> str:
        r = self.random
        numbers = [n for n, kind in self.types.items() if kind in ("Integer", "Real")]
        texts = [n for n, kind in self.types.items() if kind == "String"]
        leaves = [str(r.choice([0, 1, 2, 3, 0.3, 2.5]))]
        leaves += [r.choice(numbers)] * 3 if numbers else []
        if numbers:
            leaves.append(f"{r.choice(['floor', 'ceil'])}({r.choice(numbers)})")
        if texts:
            leaves.append(f"len({r.choice(texts)})")
        if self.costs:
            leaves += [f"{r.choice(self.costs)}.cost", "sum(cost)", "avg(cost)"]
            leaves.append(f"sum({r.choice(self.names)}, cost)")
        if depth == 0 or r.random() < 0.5:
            return r.choice(leaves)
        operator = r.choice("+-*/")
        return f"({self.term(depth - 1)} {operator} {self.term(depth - 1)})"


def random_text(seed: int, **options) -> str:
    return Writer(seed, **options).text()


# --- brute force --------------------------------------------------------------------------------


def tree(feature) -> list[dict]:
    """Every way to select a feature and what is below it."""
    found = [{feature.name: value} for value in feature.domain]
    for group in feature.groups:
        ways = []
        for n in range(group.lower, group.upper + 1):
            for some in itertools.combinations(group.features, n):
                for parts in itertools.product(*(tree(child) for child in some)):
                    ways.append({k: v for part in parts for k, v in part.items()})
        found = [{**a, **b} for a in found for b in ways]
    return found


def configurations(model: FeatureModel, *, canonical: bool = True) -> list[dict]:
    """Every valid configuration, one after another."""
    valid = [
        c
        for c in tree(model.root)
        if all(holds(model, k.expression, c) for k in model.all_constraints)
    ]
    return [c for c in valid if is_canonical(model, c, valid)] if canonical else valid


def is_canonical(model: FeatureModel, configuration: dict, valid: list[dict]) -> bool:
    for feature in model.features.values():
        if feature.inert is None or feature.name not in configuration:
            continue
        if not holds(model, feature.inert.expression, configuration):
            continue
        if amounts_to(model, feature, configuration, valid) != configuration:
            return False
    return True


def amounts_to(model: FeatureModel, feature, configuration: dict, valid: list[dict]) -> dict:
    """The configuration with one feature as an inert one is taken."""
    parent, group = model.parent_groups[feature.name]
    rest = {
        k: v
        for k, v in configuration.items()
        if k not in {f.name for f in model.subtree(feature.name)}
    }
    removable = group.kind in ("optional", "or") or (
        group.kind == "cardinality" and group.lower < group.upper
    )
    if group.kind == "alternative":
        removable = feature is not first_left(group, valid)
    if removable and any(parent.name in c and feature.name not in c for c in valid):
        return rest
    return {**rest, **defaults(feature, valid)}


def first_left(group, valid: list[dict]):
    """The first child that a valid configuration has."""
    return next((f for f in group.features if any(f.name in c for c in valid)), None)


def defaults(feature, valid: list[dict]) -> dict:
    """A feature and what is below it at its defaults, or at what the constraints leave of them."""
    found = {feature.name: True if not feature.typed else default_left(feature, valid)}
    for group in feature.groups:
        first = {"mandatory": len(group.features), "optional": 0, "or": 1, "alternative": 1}
        size = first.get(group.kind, group.lower)
        for i, child in enumerate(group.features):
            if (group.lower, group.upper) == (1, 1):
                on = child is (first_left(group, valid) or group.features[0])
            else:
                on = i < size
                if not any(feature.name in c and (child.name in c) == on for c in valid):
                    on = not on
            if on:
                found.update(defaults(child, valid))
    return found


def default_left(feature, valid: list[dict]):
    """The default of a typed feature, else the nearest number or the first text that is left."""
    left = [v for v in feature.domain if any(c.get(feature.name) == v for c in valid)]
    if feature.default in left or not left:
        return feature.default
    if feature.type == "String":
        return left[0]
    return min(left, key=lambda value: abs(value - feature.default))


def holds(model: FeatureModel, e, c: dict) -> bool:  # noqa: PLR0911
    match e:
        case ast.Selected(name):
            return name in c
        case ast.AttributeOf(name, path):
            return name in c and model.features[name].attributes[path] is True
        case ast.Not(x):
            return not holds(model, x, c)
        case ast.And(xs):
            return all(holds(model, x, c) for x in xs)
        case ast.Or(xs):
            return any(holds(model, x, c) for x in xs)
        case ast.Implies(a, b):
            return holds(model, b, c) if holds(model, a, c) else True
        case ast.Iff(a, b):
            return holds(model, a, c) is holds(model, b, c)
        case ast.Compare(operator, a, b):
            left, right = number(model, a, c), number(model, b, c)
            if left is None or right is None:
                return False
            if isinstance(left, str):
                return (left == right) is (operator == "==")
            same = math.isclose(left, right, rel_tol=1e-10, abs_tol=1e-10)
            return {
                "==": same, "!=": not same, "<": left < right and not same,
                "<=": left < right or same, ">": left > right and not same,
                ">=": left > right or same,
            }[operator]  # fmt: skip
    raise AssertionError(e)


def number(model: FeatureModel, e, c: dict):  # noqa: PLR0911
    match e:
        case ast.Constant(value):
            return value
        case ast.ValueOf(name):
            return c.get(name)
        case ast.AttributeOf(name, path):
            return model.features[name].attributes[path] if name in c else 0
        case ast.Aggregate(function, attribute, root):
            costs = [
                f.attributes[attribute]
                for f in model.subtree(root or model.root.name)
                if f.name in c and attribute in f.attributes
            ]
            if function == "sum":
                return sum(costs)
            return sum(costs) / len(costs) if costs else None
        case ast.Function(function, x):
            value = number(model, x, c)
            apply = {"len": len, "floor": math.floor, "ceil": math.ceil}[function]
            return None if value is None else apply(value)
        case ast.Arithmetic(operator, xs):
            values = [number(model, x, c) for x in xs]
            if None in values or (operator == "/" and 0 in values[1:]):
                return None
            result = values[0]
            for value in values[1:]:
                result = {
                    "+": lambda a, b: a + b, "-": lambda a, b: a - b,
                    "*": lambda a, b: a * b, "/": lambda a, b: a / b,
                }[operator](result, value)  # fmt: skip
            return result
    raise AssertionError(e)


def key(configuration: dict) -> tuple:
    return tuple(sorted(configuration.items()))


def decided(decision, configuration: dict):
    """What a configuration has for a decision of `layout_of`; None where there is none."""
    name = decision.feature.name
    if decision.kind == "choice":
        return next((child for child in decision.values if child in configuration), None)
    return name in configuration if decision.kind == "switch" else configuration.get(name)


def sequential_probabilities(
    model: FeatureModel, valid: list[dict], order: list[str]
) -> np.ndarray:
    """For each configuration the probability that decisions in this order lead to it.

    Each decision takes every value that some configuration with the same decisions before it has,
    with the same probability. Decisions that are not in the order have to follow from the others.
    """
    decisions = {d.name: d for d in layout_of(model).decisions}
    probabilities = np.ones(len(valid))
    alike = [list(range(len(valid)))]  # those with the same decisions so far
    for name in order:
        parts = []
        for group in alike:
            by_value: dict = {}
            for i in group:
                by_value.setdefault(decided(decisions[name], valid[i]), []).append(i)
            probabilities[group] /= len(by_value)
            parts += by_value.values()
        alike = parts
    assert all(len(group) == 1 for group in alike)
    return probabilities
