"""Probabilities of branches when every part of the feature tree gets its share.

Each feature carries the weight 1 / (product over its groups of the number of ways to choose
children), each value of a typed one 1 / (size of its domain); so every subtree weighs 1 in all,
whatever is in it, and the weight of a configuration is its probability when choices are made from
the root down, each equally likely. A branch of the circuit then has the probability of its weight
among those of its node.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tuner.features._ddnnf import Branch
from tuner.features._model import Group

if TYPE_CHECKING:
    from tuner.features._compiled import Compiled

NEVER = -math.inf


def branch_weights(compiled: Compiled) -> tuple[list[list[float]], dict[int, float]]:
    """Shares for `draw_weighted`: of each branch among those not yet refused, and of variables.

    Works in logarithms, so that no product of many small numbers is lost.
    """
    log = _log_weights(compiled)
    n = compiled.circuit.variables
    either = {v: _sum(log[v], log[-v]) for v in range(1, n + 1)}
    nodes: list[float] = []
    shares: list[list[float]] = []

    def total(branch: Branch) -> float:
        literals, free, children = branch
        return math.fsum(
            [
                *(log[literal] for literal in literals),
                *(either[variable] for variable in free),
                *(nodes[child] for child in children),
            ]
        )

    for node in compiled.circuit.nodes:
        weights = [total(branch) for branch in node]
        left = NEVER
        ahead = []
        for weight in reversed(weights):
            left = _sum(left, weight)
            ahead.append(0.0 if weight == NEVER else math.exp(weight - left))
        shares.append(ahead[::-1])
        nodes.append(left)
    free = {v: math.exp(log[v] - either[v]) if log[v] > NEVER else 0.0 for v in either}
    return shares, free


def _log_weights(compiled: Compiled) -> list[float]:
    """The logarithm of the weight of each literal, `NEVER` for those that can't hold."""
    encoding = compiled.encoding
    log = [0.0 if size else NEVER for size in compiled.sizes]
    for name, feature in encoding.model.features.items():
        log[encoding.selected[name]] -= sum(math.log(ways(group)) for group in feature.groups)
    for literal, (name, members) in compiled.members.items():
        if members:
            domain = sum(len(compiled.members[x][1]) for x in encoding.literals[name])
            log[literal] += math.log(len(members) / domain)
    return log


def ways(group: Group) -> int:
    """The number of ways to choose the children of a group (1 where there is none)."""
    n = len(group.features)
    found, some = 0, 1  # some: ways to choose k of them
    for k in range(min(group.upper, n) + 1):
        if k >= group.lower:
            found += some
        some = some * (n - k) // (k + 1)
    return found or 1


def _sum(a: float, b: float) -> float:
    """The logarithm of the sum of two numbers given by theirs."""
    high, low = (a, b) if a >= b else (b, a)
    return high if low == NEVER else high + math.log1p(math.exp(low - high))
