"""One sampler of a comparison, with a study of its own."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tuner.measure import Measurement
from tuner.search import Objective, ParetoSampler, StopStatus
from tuner.search.baselines import MAX_FREE_REPEATS, baseline_sampler
from tuner.space import Configuration, Space
from tuner.study import storage
from tuner.study.records import Record
from tuner.study.session import Ask, record_of

if TYPE_CHECKING:
    import optuna

DRAWN = 256
"""Random configurations among which one is looked for that is new."""
_STOP = "tuner:stop"
_ASKED, _DRAWN = 0, 1


class Entrant:
    """A sampler that proposes configurations of a space and is told what came of them.

    `pareto` is the tuner's own, `random` draws valid configurations, weighted so that no branch of
    the space drowns, and the others are Optuna's. These know no constraints: each answer becomes
    the valid configuration nearest to it. An answer that one of them has been told before is told
    again at no charge, up to `MAX_FREE_REPEATS` times; then it gets a random one. `pareto` is
    charged for whatever it asks, as it asks again on purpose.

    Args:
        name: out of `SAMPLERS`.
        seed: of its random choices.
        space: what is searched.
        objectives: in the order of the values.
        budget: proposals in all.
        path: SQLite file of its study; None for memory alone.

    """

    def __init__(
        self,
        name: str,
        seed: int,
        space: Space,
        objectives: Sequence[Objective],
        budget: int,
        path: Path | None,
    ) -> None:
        self.name, self.seed, self.budget = name, seed, budget
        self._space, self._objectives = space, tuple(objectives)
        self._study = storage.open_study(path, objectives, name=f"{name}-{seed}")
        self._own: ParetoSampler | None = None
        if name == "pareto":
            self._own = ParetoSampler(space, objectives, seed=seed, budget=budget)
        self._study.sampler = self._own or self._foreign()
        self._judging_s = 0.0
        self.records: list[Record] = []
        for record in storage.records(self._study):
            if record.state != "interrupted" and not self._is_forgiven(record.configuration):
                self.records.append(record)

    @property
    def done(self) -> bool:
        """Whether its budget is used up."""
        return len(self.records) >= self.budget

    @property
    def stop(self) -> tuple[int, StopStatus] | None:
        """After how many proposals its stopping rule would have ended it, and why."""
        found = self._study.user_attrs.get(_STOP)
        return None if found is None else (found[0], StopStatus(**found[1]))

    def times(self, configuration: Configuration) -> int:
        """How many of its finished proposals were this configuration."""
        return sum(record.configuration == configuration for record in self.records)

    def ask(self) -> Ask:
        """Propose a configuration; the processor time that this takes is noted."""
        began = time.process_time()
        for _ in range(MAX_FREE_REPEATS):
            ask = self._asked(self._anything() if self.name == "random" else None)
            if not self._is_forgiven(ask.configuration):
                break
            before = next(r for r in self.records if r.configuration == ask.configuration)
            assert before.measurement is not None
            self._commit(ask, before.measurement)
        else:
            ask = self._asked(self._anything())
        seconds = self._judging_s + time.process_time() - began
        ask.trial.set_user_attr(storage.ASK_SECONDS, seconds)
        return ask

    def tell(self, ask: Ask, measurement: Measurement) -> Record:
        """Commit what came of a proposal; it is on disk when this returns."""
        self._commit(ask, measurement)
        record = record_of(ask, measurement, self._objectives)
        self.records.append(record)
        began = time.process_time()
        if self._own is not None and self.stop is None:
            status = self._own.status(self._study)
            if status.done:
                self._study.set_user_attr(_STOP, [len(self.records), asdict(status)])
        self._judging_s = time.process_time() - began
        return record

    def _foreign(self) -> optuna.samplers.BaseSampler:
        """A sampler of Optuna; one that goes on draws other numbers than it began with."""
        import optuna

        if self.name == "random":
            return optuna.samplers.RandomSampler(seed=self.seed)
        n = len(self._study.get_trials(deepcopy=False))
        # The position in the quasi-random sequence is on disk; another seed makes another sequence.
        if n == 0 or self.name == "qmc":
            return baseline_sampler(self.name, self.seed, deterministic=False)
        seed = int(np.random.default_rng([self.seed, _ASKED, n]).integers(2**31))
        return baseline_sampler(self.name, seed, deterministic=False)

    def _is_forgiven(self, configuration: Configuration) -> bool:
        return self._own is None and self.times(configuration) > 0

    def _asked(self, configuration: Configuration | None) -> Ask:
        """What the sampler answers, or the given configuration, as a running trial."""
        if configuration is not None:
            self._study.enqueue_trial(dict(configuration))
        trial = self._study.ask()
        configuration = self._space.suggest(trial)
        trial.set_user_attr(storage.CONFIGURATION, json.dumps(dict(configuration)))
        return Ask(trial.number, configuration, trial)

    def _commit(self, ask: Ask, measurement: Measurement) -> None:
        storage.tell(self._study, ask.trial, measurement, self._objectives, self._objectives)

    def _anything(self) -> Configuration:
        """A random configuration, one that it was never told of where there is one."""
        rng = np.random.default_rng([self.seed, _DRAWN, len(self.records)])
        known = {record.configuration for record in self.records}
        drawn = self._space.decode(self._space.sample(DRAWN, rng))
        if (rows := self._space.rows()) is not None:
            drawn += self._space.decode(rng.permutation(rows))
        return next((c for c in drawn if c not in known), drawn[0])
