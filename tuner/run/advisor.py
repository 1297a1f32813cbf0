"""From a study, wherever it stands, to its result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from tuner.advice.effects import effects
from tuner.advice.model import fitted_surrogate
from tuner.advice.recommend import recommend
from tuner.advice.result import Result
from tuner.advice.simplify import Change, Simplifier
from tuner.measure import Measurement
from tuner.run.notes import estimated_energy, foreign_load, redundant_objectives
from tuner.run.setup import StudySetup
from tuner.run.verification import Verification
from tuner.search import ServiceLevel
from tuner.space import Configuration, version_warning
from tuner.study import StudySpec
from tuner.study.session import Session

if TYPE_CHECKING:
    from tuner.surrogates import Surrogate


class Advisor:
    """Says what a study has found.

    Args:
        spec: of the study.
        session: with its trials.
        levels: service levels that recommendations have to keep.

    """

    def __init__(self, spec: StudySpec, session: Session, levels: Sequence[ServiceLevel]) -> None:
        self._spec = spec
        self._session = session
        self._levels = levels

    def simplified(self, configuration: Configuration) -> Configuration:
        """The simplest configuration that the surrogates expect to be as good."""
        simplifier = self._simplifier
        return configuration if simplifier is None else simplifier.simplified(configuration)

    def result(
        self, verification: Verification, setup: StudySetup, reason: str, *, explain: bool = True
    ) -> Result:
        """What is known.

        Args:
            verification: of the candidates, as far as it has come.
            setup: what is tuned.
            reason: why the search ended.
            explain: whether to fit models that say what each choice does; that takes seconds.
        """
        spec, session = self._spec, self._session
        advice = recommend(
            session.records,
            session.objectives,
            session.space.default,
            spec.accuracy_tolerance,
            session.space.arguments,
            self._levels,
            verification.pairs,
            verification.left_out,
            self._changes() if explain else lambda configuration: (),
        )
        surrogate = self._surrogate if explain else None
        return Result(
            recommended=advice.recommended,
            front=advice.front,
            default=session.space.default,
            default_measurement=advice.default,
            trials=tuple(session.records),
            stopped_by=reason,
            objectives=spec.effective_objectives,
            accuracy_tolerance=spec.accuracy_tolerance,
            seconds=session.budget.elapsed_s,
            notes=(*_releases(setup, advice.default), *self._notes(advice.default, verification)),
            levels=tuple(level.text for level in self._levels),
            unmet=advice.unmet,
            effects=effects(session.space, surrogate, spec.seed) if surrogate else (),
        )

    @cached_property
    def _surrogate(self) -> Surrogate | None:
        return fitted_surrogate(
            self._session.space, self._session.objectives, self._session.records
        )

    @property
    def _simplifier(self) -> Simplifier | None:
        surrogate = self._surrogate
        if surrogate is None:
            return None
        return Simplifier(self._session.space, self._session.objectives, surrogate)

    def _changes(self) -> Callable[[Configuration], Sequence[Change]]:
        simplifier = self._simplifier
        return simplifier.changes if simplifier is not None else lambda configuration: ()

    def _no_default(self) -> str:
        """Why there is nothing to compare with."""
        space = self._session.space
        trials = [r for r in self._session.records if r.configuration == space.default]
        if any(r.state == "failed" for r in trials):
            return (
                "The engine's default configuration could not be measured, so nothing is "
                "recommended against it; see its trial for the cause."
            )
        return (
            "There was no time to measure the engine's default configuration, so nothing is "
            "recommended against it; the same command with a longer --max-time goes on from here."
        )

    def _notes(self, default: Measurement | None, verification: Verification) -> list[str]:
        """What a reader of the result has to know before believing it."""
        complete = self._session.complete
        values = np.array([record.values for record in complete], dtype=float)
        if default is None:
            first = [self._no_default()]
        else:
            first = estimated_energy(default)
            if not verification.pairs:
                first.append(
                    "Nothing was verified: the recommendations rest on the trials of the search "
                    "alone, whose best are also the luckiest."
                )
        pairs = verification.pairs.values()
        return [
            *first,
            *foreign_load([pair.measurement for pair in pairs]),
            *redundant_objectives(self._session.objectives, values),
        ]


def _releases(setup: StudySetup, default: Measurement | None) -> tuple[str, ...]:
    """What was noticed at the start, and what the engine that ran says of its release."""
    if setup.notices or default is None:
        return setup.notices
    warning = version_warning(setup.model, default.in_force.version)
    return (warning,) if warning else ()
