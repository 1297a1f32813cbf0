"""The sampler: an Optuna sampler that proposes valid configurations of a space."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np
import optuna
from optuna.study import StudyDirection
from optuna.trial import FixedTrial, FrozenTrial, TrialState

from tuner.errors import UserError
from tuner.search.acquisition_registry import AcquisitionFactory, acquisition_factory
from tuner.search.candidates import without
from tuner.search.dataset import Dataset, Observation
from tuner.search.design import design_size, initial_design
from tuner.search.fitted_models import FittedModels
from tuner.search.ranking import CandidateRanking, rank_candidates
from tuner.search.remaining_gain import remaining_gain
from tuner.search.stopping import StopRule, StopStatus
from tuner.space.contract import Codes, Space
from tuner.surrogates import Objective
from tuner.surrogates.service_level import ServiceLevel, check_limits, modelled_outputs

LEVELS = "tuner:levels"
SEM = "tuner:sem"
SECONDS = "tuner:seconds"
CAUSE = "tuner:cause"
BOUNDS = "tuner:bounds"
INTERRUPTED_TWICE = "crash"
"""What a configuration is taken for whose trial was interrupted twice without a stated cause."""
CACHE_SIZE = 8
"""Fits and rankings kept: enough for the stopping rule and the asks after it to share them."""


class ParetoSampler(optuna.samplers.BaseSampler):
    """Proposes the configuration that is expected to add most to the front.

    It begins with `initial_design`, then fits one Gaussian process per objective and proposes
    what has the greatest acquisition value, weighed by the probability that it can be measured at
    all. A noisy front configuration is proposed again when that is worth more
    than a new one. The objective function has to call `space.suggest(trial)`. Service levels are
    outcome constraints: a configuration counts with the probability that it keeps them. Limits of
    interest say where gains end to count.

    Everything is rebuilt from the trials of the study: a sampler made anew proposes what the old
    one would have proposed. From a trial it reads `values`, and from its user attributes
    `tuner:levels` (what `outputs` has beyond the objectives), `tuner:sem` (standard errors of all
    of these, None where unknown), `tuner:seconds` (what it took before the first measured window,
    and from there on) and, for failed trials, `tuner:cause`. A trial that failed without a cause
    counts as interrupted and its configuration is proposed once more. A pruned trial with
    `tuner:bounds` was ended early: each of `outputs` is at least as bad as its bound there (None
    where nothing is known of it). Running trials are taken into account.

    Args:
        space: the space to search.
        objectives: what the values of the study's trials are, in order.
        seed: the same seed on the same trials gives the same proposals.
        budget: number of trials planned, if known: the initial design is sized to it.
        rule: when the study counts as finished, whatever the acquisition.
        levels: service levels.
        limits: limits of interest on objectives (`mean_e2el_ms<5x`): the reference point of the
            hypervolume. Objectives without one have it behind the worst that is expected.
        cost_aware: whether to ask for progress per second instead of per measurement: expected
            gains are divided by what a measurement is expected to take, restarts of the engine
            counted.
        acquisition: the acquisition function: a name out of `ACQUISITIONS`, or a factory of your
            own (`AcquisitionFactory`); None takes the expected hypervolume improvement in closed
            form.

    """

    def __init__(
        self,
        space: Space,
        objectives: Sequence[Objective],
        *,
        seed: int = 0,
        budget: int | None = None,
        rule: StopRule | None = None,
        levels: Sequence[ServiceLevel] = (),
        limits: Sequence[ServiceLevel] = (),
        cost_aware: bool = False,
        acquisition: str | AcquisitionFactory | None = None,
    ) -> None:
        self.space = space
        self.objectives = tuple(objectives)
        self.levels = tuple(levels)
        self.limits = tuple(limits)
        check_limits(self.limits, self.objectives)
        self.outputs = modelled_outputs(self.objectives, self.levels)
        self.cost_aware = cost_aware
        self.acquisition = acquisition_factory(acquisition)
        self.seed = seed
        self.rule = rule or StopRule()
        size = design_size(space, budget)
        self.design = initial_design(
            space, size, seed=seed, objectives=self.objectives, cost_aware=cost_aware
        )
        self._codes: dict[tuple[tuple[str, Any], ...], Codes | None] = {}
        self._fits: OrderedDict[bytes, FittedModels] = OrderedDict()
        self._rankings: OrderedDict[bytes, CandidateRanking] = OrderedDict()
        self._gains: OrderedDict[bytes, float] = OrderedDict()

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, optuna.distributions.BaseDistribution]:
        """All parameters of the space are proposed together."""
        return self.space.distributions()

    def sample_relative(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        search_space: dict[str, optuna.distributions.BaseDistribution],
    ) -> dict[str, Any]:
        """Values of the active parameters of the proposed configuration."""
        self._check(study)
        trials = [t for t in study.get_trials(deepcopy=False) if t.number != trial.number]
        code = self.propose(self._observations(trials), pending=self._pending(trials))
        return dict(self.space.decode(code)[0])

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: optuna.distributions.BaseDistribution,
    ) -> Any:
        """A random value for a parameter that the space does not know."""
        name = [ord(letter) for letter in param_name]
        rng = np.random.default_rng([self.seed, 2, trial.number, *name])
        sampler = optuna.samplers.RandomSampler(seed=int(rng.integers(2**31)))
        return sampler.sample_independent(study, trial, param_name, param_distribution)

    def propose(
        self, seen: optuna.Study | Sequence[Observation], n: int = 1, pending: Codes | None = None
    ) -> Codes:
        """The next `n` configurations, `n x p`: each as if those before it were running.

        `seen` is a study or what was observed, in order; with the latter, `pending` are the
        configurations being measured (`q x p`).
        """
        if isinstance(seen, optuna.Study):
            trials = seen.get_trials(deepcopy=False)
            seen, pending = self._observations(trials), self._pending(trials)
        chosen = []
        for _ in range(n):
            dataset = self._dataset(seen, pending)
            chosen.append(self._next(dataset))
            pending = np.concatenate([dataset.pending, chosen[-1][None]])
        return np.stack(chosen)

    def status(self, seen: optuna.Study | Sequence[Observation]) -> StopStatus:
        """What the stopping rule says after the measurements so far (running ones left out)."""
        if isinstance(seen, optuna.Study):
            seen = self._observations(seen.get_trials(deepcopy=False))
        dataset = self._dataset(seen)
        left = max(len(self.design) - dataset.n_known, 0)
        if len(dataset.evaluated) >= self.space.size:
            return self.rule.exhausted(self.space.size)
        if left or not len(dataset.codes):
            return self.rule.starting(dataset.n_known, len(self.design))
        gains = []
        for back in range(self.rule.patience):
            past = self._dataset(seen[: len(seen) - back])
            if not len(past.codes) or past.n_known < len(self.design):
                break
            gains.append(self._remaining_gain(past))
            if gains[-1] >= self.rule.share:
                break
        kept = bool(self._ranking(dataset).front.on_front.any())
        return self.rule.judge(gains[::-1], len(seen), kept=kept)

    def _dataset(self, seen: Sequence[Observation], pending: Codes | None = None) -> Dataset:
        return Dataset.of(self.space, self.outputs, seen, pending, timed=self.cost_aware)

    def _next(self, dataset: Dataset) -> Codes:
        if dataset.n_known < len(self.design):
            design = without(self.design, dataset.evaluated)
            if len(design):
                first: Codes = design[0]
                return first
        if not len(dataset.codes):
            return self._anything(dataset)
        candidates = self._ranking(dataset).codes
        best: Codes = candidates[0] if len(candidates) else dataset.codes[0]
        return best

    def _anything(self, dataset: Dataset) -> Codes:
        """A random configuration that is not known yet, where there is one."""
        rng = np.random.default_rng([self.seed, 3, dataset.n_observations, len(dataset.pending)])
        rows = self.space.rows()
        pool = self.space.sample(256, rng) if rows is None else rng.permutation(rows)
        fresh = without(pool, dataset.evaluated)
        chosen: Codes = fresh[0] if len(fresh) else pool[0]
        return chosen

    def _ranking(self, dataset: Dataset) -> CandidateRanking:
        key = dataset.key
        if key not in self._rankings:
            self._rankings[key] = rank_candidates(
                self.space,
                self.objectives,
                self.levels,
                dataset,
                self._fitted(dataset),
                self.seed,
                self.acquisition,
                self.limits,
            )
            while len(self._rankings) > CACHE_SIZE:
                self._rankings.popitem(last=False)
        return self._rankings[key]

    def _fitted(self, dataset: Dataset) -> FittedModels:
        key = dataset.without_pending.key
        if key not in self._fits:
            self._fits[key] = FittedModels.of(self.space, self.outputs, dataset)
            while len(self._fits) > CACHE_SIZE:
                self._fits.popitem(last=False)
        return self._fits[key]

    def _remaining_gain(self, dataset: Dataset) -> float:
        key = dataset.key
        if key not in self._gains:
            self._gains[key] = remaining_gain(self._ranking(dataset), self.seed)
        return self._gains[key]

    def _check(self, study: optuna.Study) -> None:
        directions = [
            StudyDirection.MINIMIZE if o.direction == "min" else StudyDirection.MAXIMIZE
            for o in self.objectives
        ]
        if list(study.directions) != directions:
            raise ValueError(
                f"the study optimises {[d.name for d in study.directions]}, the sampler was made "
                f"for {[d.name for d in directions]}"
            )

    def _pending(self, trials: Sequence[FrozenTrial]) -> Codes:
        codes = [self._code(t) for t in trials if t.state == TrialState.RUNNING]
        known = [code for code in codes if code is not None]
        return np.array(known, dtype=np.int32).reshape(-1, len(self.space.parameters))

    def _observations(self, trials: Sequence[FrozenTrial]) -> list[Observation]:
        """Finished trials that say something, in the order of their numbers."""
        seen: list[Observation] = []
        lost: set[bytes] = set()
        for trial in trials:
            if not trial.state.is_finished() or (code := self._code(trial)) is None:
                continue
            if trial.state == TrialState.COMPLETE:
                values = [*trial.values, *trial.user_attrs.get(LEVELS, ())]
                values += [np.nan] * (len(self.outputs) - len(values))
                sems = trial.user_attrs.get(SEM)
                seen.append(Observation(code, values, sems, seconds=_seconds(trial)))
                continue
            if trial.state == TrialState.PRUNED and BOUNDS in trial.user_attrs:
                bounds = trial.user_attrs[BOUNDS]
                seen.append(Observation(code, seconds=_seconds(trial), bounds=bounds))
                continue
            cause = trial.user_attrs.get(CAUSE)
            if cause is None and code.tobytes() not in lost:
                lost.add(code.tobytes())
                continue
            seen.append(
                Observation(code, cause=cause or INTERRUPTED_TWICE, seconds=_seconds(trial))
            )
        return seen

    def _code(self, trial: FrozenTrial) -> Codes | None:
        """The configuration that a trial measured; None where it is none of this space.

        `space.suggest` answers that: what it made of the trial's parameters then, it makes of
        them now.
        """
        key = tuple(sorted(trial.params.items()))
        if key not in self._codes:
            try:
                configuration = self.space.suggest(FixedTrial(trial.params))
                self._codes[key] = self.space.encode([configuration])[0]
            except (ValueError, UserError):
                self._codes[key] = None
        return self._codes[key]


def _seconds(trial: FrozenTrial) -> tuple[float, float] | None:
    setup_run = trial.user_attrs.get(SECONDS)
    return None if setup_run is None else (float(setup_run[0]), float(setup_run[1]))
