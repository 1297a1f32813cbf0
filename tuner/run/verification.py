"""Measuring candidates again beside the default, in the time that there is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tuner.advice.choice import RoleSelector
from tuner.advice.recommend import MAX_CANDIDATES, observed_points
from tuner.measure import Measurement
from tuner.run.evaluator import Evaluator
from tuner.search import ServiceLevel
from tuner.space import Configuration
from tuner.study import StudySpec
from tuner.study.session import Session

LEAST_ROUNDS = 2
"""Fewer give no interval. The first batch has them even where that overruns the time limit."""

FIRST_BATCH = 0.75
"""Share of the time left that a batch of verifications may take: another one may follow."""

LARGEST_SHARE = 0.4
"""Share of a time limit that is kept for verification at most."""

LATER_BATCHES = 0.5
"""What a second batch (a runner-up that the verification puts ahead) adds to the first's cost."""


class Verification:
    """Plans and runs the verification of a study; the session's budget says what there is time for.

    Args:
        spec: of the study.
        session: with the trials so far.
        evaluator: measures configurations again.
        levels: service levels that candidates have to keep.
    """

    def __init__(
        self,
        spec: StudySpec,
        session: Session,
        evaluator: Evaluator,
        levels: Sequence[ServiceLevel],
    ) -> None:
        self._spec = spec
        self._session = session
        self._evaluator = evaluator
        self._levels = levels
        self._n_batches = 0

    def reserve(self) -> None:
        """Keep time in the session's budget for verifying the candidates that there are now."""
        candidates = self._candidates()
        rounds = self._spec.verify_rounds
        seconds = self._evaluator.seconds_of_rounds(candidates, rounds) if candidates else 0.0
        self._session.budget.reserve_for_verification(
            (1 + LATER_BATCHES) * seconds, largest_share=LARGEST_SHARE
        )

    def measure(
        self, configurations: Sequence[Configuration]
    ) -> Mapping[Configuration, Measurement]:
        """Measure configurations again in as many rounds as fit; none where too few do."""
        rounds = self._rounds(configurations)
        if not self._n_batches:
            rounds = max(rounds, LEAST_ROUNDS)
        self._n_batches += 1
        if rounds < LEAST_ROUNDS:
            return {}
        return self._evaluator.measure_again(configurations, rounds)

    def _candidates(self) -> list[Configuration]:
        """The default and what would be verified now; empty before the default is measured."""
        session, default = self._session, self._session.space.default
        points = observed_points(session.complete, session.objectives, default, self._levels)
        measured = next((p for p in points if p.configuration == default), None)
        if measured is None:
            return []
        chooser = RoleSelector(session.objectives, measured.values, self._spec.accuracy_tolerance)
        return [default, *(set(chooser.candidates(points, MAX_CANDIDATES)) - {default})]

    def _rounds(self, configurations: Sequence[Configuration]) -> int:
        """How many rounds of these configurations the time limit has room for."""
        most, left_s = self._spec.verify_rounds, self._session.budget.left_s
        if left_s is None:
            return most
        return next(
            (
                n
                for n in range(most, 0, -1)
                if self._evaluator.seconds_of_rounds(configurations, n) <= FIRST_BATCH * left_s
            ),
            0,
        )
