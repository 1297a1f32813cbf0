"""Unit propagation over clauses and at-most-one groups, step by step and back again."""

from __future__ import annotations

from collections.abc import Sequence


class Propagator:
    """A partial assignment, and what follows from it.

    Lists over literals are indexed by the literal itself, negative ones from the end.

    Attributes:
        clauses: the clauses, each once.
        groups: at-most-one groups of variables.
        value: 1 for literals that are true, -1 for false ones, 0 for open ones.
        true: for each clause the number of its true literals.
        chosen: for each group the number of its true members.
        trail: the true literals in the order in which they became so.
        possible: False where the clauses contradict one another without any choice.
    """

    def __init__(
        self,
        variables: int,
        clauses: Sequence[tuple[int, ...]],
        groups: Sequence[tuple[int, ...]],
    ) -> None:
        self.clauses = list(dict.fromkeys(clauses))
        self.groups = list(groups)
        self.value = [0] * (2 * variables + 1)
        self.occurs: list[list[int]] = [[] for _ in range(2 * variables + 1)]
        self.member: list[list[int]] = [[] for _ in range(variables + 1)]
        for i, clause in enumerate(self.clauses):
            for literal in clause:
                self.occurs[literal].append(i)
        for i, group in enumerate(self.groups):
            for variable in group:
                self.member[variable].append(i)
        self.open = [len(clause) for clause in self.clauses]  # literals that are not false
        self.true = [0] * len(self.clauses)
        self.chosen = [0] * len(self.groups)
        self.trail: list[int] = []
        units = [clause[0] for clause in self.clauses if len(clause) == 1]
        self.possible = () not in self.clauses and self.assign(units)

    def assign(self, literals: list[int]) -> bool:
        """Make literals true with all that follows; False where that is a contradiction."""
        value, occurs, true, opened, trail = (
            self.value, self.occurs, self.true, self.open, self.trail,
        )  # fmt: skip
        queue = list(literals)
        while queue:
            literal = queue.pop()
            if value[literal]:
                if value[literal] < 0:
                    return False
                continue
            value[literal], value[-literal] = 1, -1
            trail.append(literal)
            for i in occurs[literal]:
                true[i] += 1
            failed = False
            for i in occurs[-literal]:
                left = opened[i] = opened[i] - 1
                if left < 2 and not true[i]:
                    if left == 0:
                        failed = True
                    else:
                        queue.append(next(x for x in self.clauses[i] if not value[x]))
            if literal > 0:
                for i in self.member[literal]:
                    self.chosen[i] += 1
                    queue.extend(-v for v in self.groups[i] if v != literal and value[v] >= 0)
            if failed:
                return False
        return True

    def undo(self, mark: int) -> None:
        """Take back what was made true since the trail had this length."""
        value, occurs, true, opened = self.value, self.occurs, self.true, self.open
        while len(self.trail) > mark:
            literal = self.trail.pop()
            value[literal] = value[-literal] = 0
            for i in occurs[literal]:
                true[i] -= 1
            for i in occurs[-literal]:
                opened[i] += 1
            if literal > 0:
                for i in self.member[literal]:
                    self.chosen[i] -= 1
