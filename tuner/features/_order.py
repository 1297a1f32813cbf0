"""An order of variables in which exhaustive search falls apart early.

Variables are eliminated one after another, always one with the fewest neighbours, joining its
neighbours with one another (minimum degree, Rose 1972). What is eliminated last separates the
rest, and is decided first.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from itertools import pairwise

from tuner.features._deadline import check_deadline

LARGEST_CLIQUE = 60
"""Scopes beyond this many variables are joined as a chain instead of all with all."""


def decision_order(variables: int, scopes: Sequence[tuple[int, ...]]) -> list[int]:
    """A rank for each variable (index 0 is unused): the highest is decided first.

    Args:
        variables: how many variables there are, from 1.
        scopes: the sets of variables that clauses and groups tie together.

    """
    near: list[set[int]] = [set() for _ in range(variables + 1)]
    for scope in scopes:
        if len(scope) <= LARGEST_CLIQUE:
            for variable in scope:
                near[variable].update(scope)
        else:
            for a, b in pairwise(scope):
                near[a].add(b)
                near[b].add(a)
    for variable in range(1, variables + 1):
        near[variable].discard(variable)
    heap = [(len(near[v]), v) for v in range(1, variables + 1)]
    heapq.heapify(heap)
    rank, done = [0] * (variables + 1), [False] * (variables + 1)
    for step in range(1, variables + 1):
        check_deadline("count")
        while True:
            degree, variable = heapq.heappop(heap)
            if not done[variable] and degree == len(near[variable]):
                break
        done[variable], rank[variable] = True, step
        around = near[variable]
        for other in around:
            before = len(near[other])
            near[other] |= around
            near[other] -= {other, variable}
            if len(near[other]) != before:
                heapq.heappush(heap, (len(near[other]), other))
        near[variable] = set()
    return rank
