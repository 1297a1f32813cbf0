"""Tuning from Python: `tune` runs a whole study, `Tuner` serves scripts that measure themselves."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner.advice.export import Exporter
from tuner.advice.recommend import recommend
from tuner.advice.result import Recommendation, Result
from tuner.engines.registry import installed_version
from tuner.errors import UserError
from tuner.measure import Cause, Failure, Measurement, Meter, Metric
from tuner.measure.statistics import Z_95
from tuner.run import run_study
from tuner.search import AcquisitionFactory, Objective, parse_levels
from tuner.space import (
    Arguments,
    Configuration,
    Space,
    Value,
    engine_of,
    load_model,
    search_space,
)
from tuner.study import DEFAULT_OBJECTIVES, Observer, StudySpec
from tuner.study.session import Ask, Session, StudyLimits


def tune(
    model: str | Sequence[str] = "builtin",
    task: str | Path | None = "builtin",
    *,
    out: str | Path | None = None,
    objectives: Sequence[str] | None = None,
    levels: Sequence[str] = (),
    pins: Mapping[str, Value] | None = None,
    seed: int = 0,
    max_trials: int | None = None,
    max_seconds: float | None = None,
    acquisition: str | AcquisitionFactory | None = None,
    exporters: Sequence[Exporter] = (),
    observe: Observer = lambda event: None,
    meters: Sequence[Meter] = (),
    **options: Any,
) -> Result:
    """Tune a language model on this machine and return verified recommendations.

    Args:
        model: `builtin` (the family that ships with the tuner), a folder, a hub id, or several.
        task: `builtin`, or a JSONL file of prompts with reference answers; None grades nothing,
            and then a `workload` has to be given (see `options`).
        out: folder for the study, the plot and the exports; the same folder again goes on where
            the last run stopped. None keeps nothing.
        objectives: `metric:min` or `metric:max`; None takes energy, latency and, where answers
            are graded, accuracy.
        levels: service levels, such as `p99_ttft_ms<500` or `accuracy>=default-0.01`.
        pins: features to fix, by name.
        seed: of every random choice.
        max_trials: at most so many configurations.
        max_seconds: at most so long, verification included.
        acquisition: the acquisition function: a name (`ehvi`, `qlognehvi`, `qlognparego`), or
            what makes one of your own from a BoTorch model and a dataset; None takes `ehvi`.
        exporters: write further files for each recommendation into `out`, beside those that the
            engine reads.
        observe: called with every event of the study (`tuner.study`).
        meters: read together in place of the best ones that work here (`tuner.measure.Meter`);
            their scopes have to be apart. They stay open. A study that goes on needs them again.
        options: further fields of `StudySpec`, for instance `workload`, `launch` or
            `accuracy_tolerance`.

    Raises:
        UserError: for input that cannot be used; the message says what to change.
    """
    spec = StudySpec.of(
        models=(model,) if isinstance(model, str) else tuple(model),
        task=None if task is None else str(task),
        objectives=None if objectives is None else tuple(objectives),
        levels=tuple(levels),
        pins=dict(pins or {}),
        seed=seed,
        max_trials=max_trials,
        max_seconds=max_seconds,
        acquisition=acquisition if isinstance(acquisition, str) else None,
        **options,
    )
    return run_study(
        spec,
        Path(out) if out is not None else None,
        observe,
        acquisition=None if isinstance(acquisition, str) else acquisition,
        exporters=exporters,
        meters=meters,
    )


@dataclass(frozen=True)
class Proposal:
    """A configuration to measure next.

    Attributes:
        number: of the trial.
        configuration: the features.
        arguments: what the engine is told, at load time, with each request, and around it.
    """

    number: int
    configuration: Configuration
    arguments: Arguments
    ask: Ask


class Tuner:
    """Proposes configurations to a script that measures them itself.

    Example:
        >>> tuner = Tuner("transformers", ["energy_j:min", "accuracy:max"], max_trials=20)
        >>> while not tuner.done:
        ...     proposal = tuner.ask()
        ...     tuner.tell(proposal, {"energy_j": 3.1, "accuracy": 0.9})
        >>> best = tuner.recommend()
    """

    def __init__(
        self,
        space: str | Path | Space = "transformers",
        objectives: Sequence[str] = DEFAULT_OBJECTIVES,
        *,
        storage: str | Path | None = None,
        pins: Mapping[str, Value] | None = None,
        domains: Mapping[str, Sequence[Value]] | None = None,
        seed: int = 0,
        max_trials: int | None = None,
        max_seconds: float | None = None,
        accuracy_tolerance: float = 0.02,
        levels: Sequence[str] = (),
        cost_aware: bool = False,
        acquisition: str | AcquisitionFactory | None = None,
    ) -> None:
        """Open or go on with a study.

        Args:
            space: a shipped feature model's name, the path of one, or a space of your own. What
                this machine fixes (processors, no accelerator) is pinned, unless it is your own.
            objectives: `metric:min` or `metric:max`.
            storage: an SQLite file that keeps the trials, an Optuna storage URL, or None.
            pins: features to fix, by name.
            domains: values for typed features in place of those in the model, the default first:
                `{"model": ("org/small", "org/large")}`.
            seed: of every random choice.
            max_trials: at most so many trials.
            max_seconds: at most so long.
            accuracy_tolerance: what a recommendation may lose of the default's accuracy.
            levels: service levels, such as `p99_ttft_ms<500`; their metrics are told too.
            cost_aware: ask for progress in a given time instead of by measurement, from the time
                between `ask` and `tell`.
            acquisition: the acquisition function: a name (`ehvi`, `qlognehvi`, `qlognparego`), or
                what makes one of your own from a BoTorch model and a dataset; None takes `ehvi`.
        """
        self.space = _space(space, pins or {}, domains or {})
        self.objectives = tuple(Objective.parse(text) for text in objectives)
        self.accuracy_tolerance = accuracy_tolerance
        self.levels = parse_levels(levels)
        is_url = isinstance(storage, str) and "://" in storage
        self._session = Session(
            self.space,
            self.objectives,
            path=storage if storage is None or is_url else Path(storage),
            seed=seed,
            limits=StudyLimits(max_trials, max_seconds),
            levels=self.levels,
            cost_aware=cost_aware,
            acquisition=acquisition,
        )
        self._asked: dict[int, float] = {}

    @property
    def done(self) -> bool:
        """Whether the front is stable or a limit is reached."""
        return self.stopped_by is not None

    @property
    def stopped_by(self) -> str | None:
        """Why it is done, in one line; None while it is not."""
        return self._session.stopped_by()

    def ask(self) -> Proposal:
        """Propose the next configuration to measure; the first one is the engine's default."""
        ask = self._session.ask()
        self._asked[ask.number] = time.monotonic()
        return Proposal(ask.number, ask.configuration, self.space.arguments(ask.configuration), ask)

    def tell(
        self,
        proposal: Proposal,
        metrics: Mapping[str, float | tuple[float, float]] | None = None,
        *,
        failed: Cause | None = None,
        message: str = "",
    ) -> None:
        """Say what came of a proposal; it is stored when this returns.

        Args:
            proposal: from `ask`.
            metrics: value, or value and standard error, of at least every objective and every
                metric with a service level.
            failed: the cause, where it could not be measured; `metrics` is then left out.
            message: the engine's own words about the failure.

        Raises:
            UserError: where an objective is missing, or neither metrics nor a cause is given.
        """
        seconds = time.monotonic() - self._asked.pop(proposal.number, time.monotonic())
        if failed is not None:
            measurement = Measurement({}, "invalid", failure=Failure(failed, message))
        else:
            metrics = metrics or {}
            wanted = [o.metric for o in self._session.sampler.outputs]
            missing = [metric for metric in wanted if metric not in metrics]
            if missing:
                raise UserError(
                    f"tell needs a value for every objective; {', '.join(missing)} is missing "
                    "(or say failed='crash' where it could not be measured)."
                )
            values = {name: _metric(value) for name, value in metrics.items()}
            measurement = Measurement(values, seconds=seconds)
        self._session.tell(proposal.ask, measurement)

    def recommend(self) -> tuple[Recommendation, ...]:
        """The configurations worth deploying by what was told so far; empty before the default."""
        advice = recommend(
            self._session.records,
            self.objectives,
            self.space.default,
            self.accuracy_tolerance,
            self.space.arguments,
            levels=self.levels,
        )
        return advice.recommended


def _space(
    space: str | Path | Space, pins: Mapping[str, Value], domains: Mapping[str, Sequence[Value]]
) -> Space:
    if not isinstance(space, str | Path):
        return space
    model = load_model(space)
    version = installed_version(engine_of(model))
    return search_space(model, pins=pins, domains=domains, engine_version=version)


def _metric(value: float | tuple[float, float]) -> Metric:
    estimate, sem = value if isinstance(value, tuple) else (value, None)
    low, high = (None, None) if sem is None else (estimate - Z_95 * sem, estimate + Z_95 * sem)
    return Metric(float(estimate), "", low, high, sem, 1, "told")
