"""From clauses to a d-DNNF: a circuit in which counting and drawing take one pass.

Exhaustive search that splits what is left into parts that share no variable and remembers every
part that it has solved (component caching; Darwiche 2004, "New Advances in Compiling CNF to
Decomposable Negation Normal Form"; Thurley 2006, "sharpSAT"). Variables are decided in an order
from a decomposition of the graph of variables, separators first.

At-most-one groups are kept as such instead of as their many pairs.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from tuner.features._deadline import check_deadline
from tuner.features._order import decision_order
from tuner.features._propagation import Propagator

OTHERS = "; what needs no count (check, core, dead, explain, complete, repair) may still answer"

Branch = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]
"""Literals that hold, variables that are free, and nodes of the parts that remain."""

Part = tuple[list[int], frozenset[int], list[int]]
"""Variables that belong together, a key (the variables and the unfulfilled clauses of three
literals or more; shorter ones and the groups follow from the variables), and what ties them
together: clauses, and groups as negative numbers."""

LONG = 32
"""Literals beyond which a lone clause or group is written down without search."""


@dataclass
class Circuit:
    """A d-DNNF over variables 1 to `variables`.

    Attributes:
        variables: how many there are.
        nodes: each a list of branches that exclude one another, children before parents.
        root: one branch: what holds at all events, what is free, and the parts.
        satisfiable: whether there is a solution.
    """

    variables: int
    nodes: list[list[Branch]] = field(default_factory=list)
    root: Branch = ((), (), ())
    satisfiable: bool = True


def compile_circuit(
    variables: int,
    clauses: Sequence[tuple[int, ...]],
    groups: Sequence[tuple[int, ...]],
) -> Circuit:
    """Compile clauses and at-most-one groups of positive literals."""
    return _Compilation(variables, Propagator(variables, clauses, groups)).run()


@contextmanager
def _recursion(depth: int) -> Iterator[None]:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, depth))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


class _Compilation:
    def __init__(self, variables: int, state: Propagator) -> None:
        self.n = variables
        self.state = state
        self.circuit = Circuit(variables)
        self.cache: dict[frozenset[int], int] = {}

    def run(self) -> Circuit:
        if not self.state.possible:
            self.circuit.satisfiable = False
            return self.circuit
        self.rank = decision_order(self.n, self.residual())
        every = [v for v in range(1, self.n + 1) if not self.state.value[v]]
        with _recursion(4 * self.n + 2000):
            branch = self.branch(0, every)
        if branch is None:
            self.circuit.satisfiable = False
        else:
            self.circuit.root = branch
        return self.circuit

    def residual(self) -> list[tuple[int, ...]]:
        """What is left of the clauses and groups, as sets of variables."""
        value = self.state.value
        left = [
            tuple(abs(x) for x in clause if not value[x])
            for i, clause in enumerate(self.state.clauses)
            if not self.state.true[i]
        ]
        left += [
            tuple(v for v in group if not value[v])
            for i, group in enumerate(self.state.groups)
            if not self.state.chosen[i]
        ]
        return [scope for scope in left if len(scope) > 1]

    def branch(self, mark: int, variables: list[int]) -> Branch | None:
        """What follows from the literals since `mark`; None where there is no solution."""
        held = tuple(self.state.trail[mark:])
        free, parts = self.split(variables)
        nodes = []
        for part, key, ties in parts:
            node = self.cache.get(key)
            if node is None:
                long = len(part) > LONG and len(ties) <= 2
                node = self.lone(part, ties) if long else None
                node = self.cache[key] = self.node(part) if node is None else node
            if node < 0:
                return None
            nodes.append(node)
        return held, tuple(free), tuple(nodes)

    def node(self, variables: list[int]) -> int:
        """The node of a part, -1 where it has no solution."""
        check_deadline("count", OTHERS)
        variable = max(variables, key=self.rank.__getitem__)
        branches = []
        for literal in (variable, -variable):
            mark = len(self.state.trail)
            if self.state.assign([literal]):
                value = self.state.value
                branch = self.branch(mark, [v for v in variables if not value[v]])
                if branch is not None:
                    branches.append(branch)
            self.state.undo(mark)
        return self.add(*branches) if branches else -1

    def add(self, *branches: Branch) -> int:
        """A new node."""
        self.circuit.nodes.append(list(branches))
        return len(self.circuit.nodes) - 1

    def lone(self, variables: list[int], ties: list[int]) -> int | None:
        """The node of one clause, one group, or a clause of all members of a group; else None.

        A chain that takes the literals one after another, so that it grows with their number and
        not with its square.
        """
        clauses = [self.state.clauses[i] for i in ties if i >= 0]
        groups = [self.state.groups[-1 - i] for i in ties if i < 0]
        if len(clauses) > 1 or len(groups) > 1:
            return None
        every = set(variables)
        literals = [x for x in (clauses or groups)[0] if not self.state.value[x]]
        members = {x for x in groups[0] if not self.state.value[x]} if groups else every
        if members != every or {x if groups else abs(x) for x in literals} != every:
            return None
        first, *others = reversed(literals)
        needed = ((first,), (), ()) if clauses else ((), (abs(first),), ())
        node = self.add(needed)  # what is left where none has been true so far
        rest = self.add(((-first,), (), ()) if groups else ((), (abs(first),), ()))  # where one was
        for x in others:
            node = self.add(((x,), (), (rest,)), ((-x,), (), (node,)))
            rest = self.add(((-x,), (), (rest,)) if groups else ((), (abs(x),), (rest,)))
        return node

    def split(self, variables: list[int]) -> tuple[list[int], list[Part]]:
        """Unassigned variables as free ones and as parts that share nothing."""
        seen: set[int] = set()
        scopes: set[int] = set()  # clauses that were met, and groups as negative numbers
        free: list[int] = []
        parts: list[Part] = []
        for start in variables:
            if start in seen:
                continue
            seen.add(start)
            part, key, ties = [start], list[int](), list[int]()
            for variable in part:  # grows while it is read
                for i in self.state.occurs[variable] + self.state.occurs[-variable]:
                    if self.state.true[i] or i in scopes:
                        continue
                    scopes.add(i)
                    ties.append(i)
                    if len(self.state.clauses[i]) > 2:
                        key.append(-1 - i)
                    self.reach(self.state.clauses[i], seen, part)
                for i in self.state.member[variable]:
                    if not self.state.chosen[i] and -1 - i not in scopes:
                        scopes.add(-1 - i)
                        ties.append(-1 - i)
                        self.reach(self.state.groups[i], seen, part)
            if len(part) == 1 and not key:
                free.append(start)
            else:
                parts.append((part, frozenset(part + key), ties))
        return free, parts

    def reach(self, literals: tuple[int, ...], seen: set[int], part: list[int]) -> None:
        """Take the unassigned variables of a clause or a group into a part."""
        value = self.state.value
        for literal in literals:
            if not value[literal]:
                variable = literal if literal > 0 else -literal
                if variable not in seen:
                    seen.add(variable)
                    part.append(variable)
