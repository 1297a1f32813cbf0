"""One optimiser after a known front: measuring, with noise, outliers and failures where wanted."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from problems import Problem

from tuner.search import Observation, ParetoSampler
from tuner.space import Codes, Space, TableSpace
from tuner.surrogates import Objective

CAUSE = "out_of_memory"
TRIES = 300
"""How often another optimiser may in a row ask, at no charge, for what it knows."""


@dataclass(frozen=True)
class Trouble:
    """What makes measuring hard.

    Attributes:
        noise: every value is multiplied by a log-normal factor with this standard deviation.
        stated: whether the optimiser is told the standard error that this makes.
        outliers: this share of the measurements has one value that is ten times too large.
        failing: about this share of the configurations fails, in a pattern (see `Pattern`).

    """

    noise: float = 0.0
    stated: bool = False
    outliers: float = 0.0
    failing: float = 0.0


@dataclass(frozen=True)
class Pattern:
    """Configurations that fail: those that meet all conditions, as in "batch >= 16 and model = b".

    Attributes:
        words: the conditions in words.
        among: for each of them the column and the codes that meet it.

    """

    words: str
    among: tuple[tuple[int, frozenset[int]], ...]

    def holds(self, codes: Codes) -> np.ndarray:
        """Which rows of codes fail."""
        return np.all([np.isin(codes[:, j], list(values)) for j, values in self.among], axis=0)

    @classmethod
    def drawn(cls, space: Space, share: float, rng: np.random.Generator) -> Pattern:
        """Two random conditions that about `share` of all configurations meet.

        An ordered parameter is at least or at most some value, a categorical one has one or two
        values. Of 200 drawn patterns one of those nearest to the share is taken.
        """
        rows = space.rows()
        rows = space.sample(4000, rng, uniform=True) if rows is None else rows
        drawn = [cls._any(space, rng) for _ in range(200)]
        off = [abs(math.log(max(p.holds(rows).mean(), 1e-9) / share)) for p in drawn]
        near = [p for p, o in zip(drawn, off, strict=True) if o <= min(off) + 0.1]
        return near[rng.integers(len(near))]

    @classmethod
    def _any(cls, space: Space, rng: np.random.Generator) -> Pattern:
        chosen = rng.choice(len(space.parameters), 2, replace=False)
        words, among = [], []
        for j in sorted(int(j) for j in chosen):
            parameter = space.parameters[j]
            n = len(parameter.values)
            if parameter.kind == "ordered":
                at, up = int(rng.integers(1, n)), bool(rng.integers(2))
                codes = range(at, n) if up else range(at)
                words.append(f"{parameter.name} {'>=' if up else '<'} {parameter.values[at]}")
            else:
                size = int(rng.integers(1, min(3, n)))
                codes = sorted(rng.choice(n, size, replace=False).tolist())
                listed = " or ".join(str(parameter.values[c]) for c in codes)
                words.append(f"{parameter.name} = {listed}")
            among.append((j, frozenset(codes)))
        return cls(" and ".join(words), tuple(among))


@dataclass(frozen=True)
class Run:
    """One run, as it is written down.

    Attributes:
        shares: share of the true hypervolume after each measurement, from true values of what was
            measured. Where some configurations fail, the whole may be out of reach.
        failed: the measurements that failed, counted from 1.
        repeats: how many measurements were of a configuration that was measured before.
        invalid: how many proposals were no valid configuration.
        seconds: processor time of a suggestion after the tenth, median.
        pattern: what fails, in words.

    """

    shares: list[float] = field(default_factory=list)
    failed: list[int] = field(default_factory=list)
    repeats: int = 0
    invalid: int = 0
    seconds: float = 0.0
    pattern: str = ""

    def measurements_to(self, share: float) -> float:
        """Measurements until the share was reached, infinite where it never was."""
        return next((i + 1 for i, s in enumerate(self.shares) if s >= share - 1e-9), math.inf)


def pursue(
    problem: Problem,
    sampler: str,
    seed: int,
    budget: int,
    trouble: Trouble | None = None,
    *,
    until: float = math.inf,
) -> Run:
    """Let a sampler measure until it has a share of the hypervolume, or `budget` measurements."""
    if isinstance(problem.space, TableSpace):
        problem = replace(problem, space=problem.space.starting_anywhere(seed))
    trouble = trouble or Trouble()
    rng = np.random.default_rng([seed, 11])
    pattern = None
    if trouble.failing:
        pattern = Pattern.drawn(problem.space, trouble.failing, rng)
    proposer = PROPOSERS[sampler](problem, seed, budget)
    seen: list[Observation] = []
    true: list[np.ndarray] = []
    shares, failed, seconds, invalid = [], [], [], 0
    while len(seen) < budget and not (shares and shares[-1] >= until):
        began = time.process_time()
        code = proposer(seen)
        seconds.append(time.process_time() - began)
        invalid += not problem.space.is_valid(code[None])[0]
        if pattern is not None and pattern.holds(code[None])[0]:
            seen.append(Observation(code, cause=CAUSE))
            failed.append(len(seen))
        else:
            true.append(problem.evaluate(code[None])[0])
            seen.append(_measured(problem, code, true[-1], trouble, rng))
        shares.append(round(problem.share(np.array(true)), 5) if true else 0.0)
    return Run(
        shares=shares,
        failed=failed,
        repeats=len(seen) - len({o.code.tobytes() for o in seen}),
        invalid=invalid,
        seconds=round(float(np.median(seconds[10:] or [0.0])), 4),
        pattern="" if pattern is None else pattern.words,
    )


def _measured(
    problem: Problem, code: Codes, true: np.ndarray, trouble: Trouble, rng: np.random.Generator
) -> Observation:
    """What is seen of true values. As many numbers are drawn with trouble as without."""
    noise = np.exp(trouble.noise * rng.standard_normal(len(true)))
    strange, which = rng.random() < trouble.outliers, rng.integers(len(true))
    values = true * noise
    if strange:
        values[which] *= 10
    for j, objective in enumerate(problem.objectives):
        values[j] = min(values[j], _ceiling(problem, objective, j))
    sems = (np.abs(true) * trouble.noise).tolist() if trouble.stated else None
    return Observation(code, values.tolist(), sems)


def _ceiling(problem: Problem, objective: Objective, j: int) -> float:
    """What a metric cannot exceed: an accuracy 1, or 100 where it is counted in per cent."""
    if objective.kind != "accuracy":
        return math.inf
    return 1.0 if problem.among[:, j].max() <= 1 else 100.0


class _Pareto:
    """The tuner's own sampler."""

    def __init__(self, problem: Problem, seed: int, budget: int) -> None:
        self.sampler = ParetoSampler(problem.space, problem.objectives, seed=seed, budget=budget)

    def __call__(self, seen: Sequence[Observation]) -> Codes:
        """What to measure next."""
        return self.sampler.propose(seen)[0]


class _Random:
    """Valid configurations, uniformly, none twice."""

    def __init__(self, problem: Problem, seed: int, budget: int) -> None:
        self.space, self.rng = problem.space, np.random.default_rng([seed, 12])

    def __call__(self, seen: Sequence[Observation]) -> Codes:
        """What to measure next."""
        known = {o.code.tobytes() for o in seen}
        while True:
            code = self.space.sample(1, self.rng, uniform=True)[0]
            if code.tobytes() not in known:
                return code


class _Optuna:
    """A sampler of Optuna, which knows no constraints.

    Parameters are asked for as they become active, so conditions cost it nothing. An invalid
    answer becomes the nearest valid configuration, whose values it is told for its own answer;
    what was measured before is told again at no charge. With `refuse`, an invalid answer is
    pruned at no charge and it is asked again, as its authors would have it.
    """

    def __init__(self, name: str, problem: Problem, seed: int, refuse: bool = False) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        make = {
            "tpe": lambda: optuna.samplers.TPESampler(seed=seed),
            "nsga2": lambda: optuna.samplers.NSGAIISampler(seed=seed),
            "gp": lambda: optuna.samplers.GPSampler(seed=seed),
        }[name]
        self.space, self.refuse = problem.space, refuse
        self.rng = np.random.default_rng([seed, 13])
        self.study = optuna.create_study(
            directions=[
                "minimize" if o.direction == "min" else "maximize" for o in problem.objectives
            ],
            sampler=make(),
        )
        self.waiting: optuna.Trial | None = None

    def __call__(self, seen: Sequence[Observation]) -> Codes:
        """What to measure next."""
        from optuna.trial import TrialState

        if self.waiting is not None:
            self._tell(self.waiting, seen[-1])
        known = {o.code.tobytes(): o for o in seen}
        for _ in range(TRIES):
            self.waiting = self.study.ask()
            configuration = self.space.suggest(self.waiting)
            code = self.space.encode([configuration])[0]
            if self.refuse and dict(configuration) != self.waiting.params:
                self.study.tell(self.waiting, state=TrialState.PRUNED)
            elif code.tobytes() in known:
                self._tell(self.waiting, known[code.tobytes()])
            else:
                return code
        self.waiting = None
        while True:
            code = self.space.sample(1, self.rng, uniform=True)[0]
            if code.tobytes() not in known:
                return code

    def _tell(self, trial, seen: Observation) -> None:
        from optuna.trial import TrialState

        if seen.values is None:
            self.study.tell(trial, state=TrialState.FAIL)
        else:
            self.study.tell(trial, list(seen.values))


PROPOSERS = {
    "pareto": _Pareto,
    "random": _Random,
    "tpe": lambda problem, seed, budget: _Optuna("tpe", problem, seed),
    "tpe refused": lambda problem, seed, budget: _Optuna("tpe", problem, seed, refuse=True),
    "nsga2": lambda problem, seed, budget: _Optuna("nsga2", problem, seed),
    "gp": lambda problem, seed, budget: _Optuna("gp", problem, seed),
}
