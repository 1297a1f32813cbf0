"""When to stop: what the space still holds is not worth another measurement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class StopStatus:
    """What the stopping rule says.

    Attributes:
        done: whether the study may end.
        reason: why, or why not yet, in one line.
        remaining_gain: bound on what the best unmeasured configurations would add, as a share
            of the front's hypervolume; None before the model has anything to go on.
        threshold: the share under which it has to stay.
        progress: how close the end is, from 0 to 1.

    """

    done: bool
    reason: str
    remaining_gain: float | None
    threshold: float
    progress: float


@dataclass(frozen=True)
class StopRule:
    """Ends a study when the remaining gain stays small.

    The defaults come from replays of measured tables and of parts of them, begun at random rows
    (docs/optimiser.md): for as many measurements, a smaller share found more than more patience.

    Attributes:
        share: a remaining gain under this share of the front's hypervolume is small.
        patience: how many times in a row it has to be small.
        least: measurements before which it never ends.

    """

    share: float = 0.015
    patience: int = 2
    least: int = 8

    def judge(self, gains: Sequence[float], finished: int, *, kept: bool = True) -> StopStatus:
        """Status from the remaining gains seen lately.

        Args:
            gains: remaining gain after each of the last (up to `patience`) measurements, the newest
                last.
            finished: how many measurements there are.
            kept: whether anything is expected to keep the service levels. While nothing is, a
                gain is the chance that something else does.

        """
        now = gains[-1]
        small = next(
            (i for i, gain in enumerate(reversed(gains)) if gain >= self.share), len(gains)
        )
        done = small >= self.patience and finished >= self.least
        percent = f"{100 * self.share:g} %"
        if not kept:
            chance = (
                "nothing measured keeps the service levels; the chance that anything else does is "
                f"{100 * now:.2g} %"
            )
            reason = chance if done else f"{chance}, and the search ends below {percent}"
        elif done:
            reason = (
                f"the front is stable: over the last {self.patience} measurements what is left was "
                f"expected to add less than {percent} of its hypervolume (now {100 * now:.2g} %)"
            )
        elif now >= self.share:
            reason = f"what is left may add {100 * now:.2g} % to the front; ends below {percent}"
        elif small < self.patience:
            reason = (
                f"what is left may add {100 * now:.2g} %, below {percent} for {small} of "
                f"{self.patience} measurements"
            )
        else:
            reason = f"the front looks stable, but {self.least} measurements are the least"
        near = min(1.0, self.share / now) if now > 0 else 1.0
        progress = 1.0 if done else 0.9 * (0.5 * near + 0.5 * small / self.patience)
        progress = min(progress, finished / self.least) if not done else 1.0
        return StopStatus(done, reason, now, self.share, progress)

    def starting(self, measured: int, planned: int) -> StopStatus:
        """Status while the initial design is measured."""
        reason = f"{measured} of the {planned} first configurations have been measured"
        return StopStatus(False, reason, None, self.share, 0.5 * measured / max(planned, 1) / 2)

    def exhausted(self, size: int) -> StopStatus:
        """Status when there is nothing left to measure."""
        reason = f"all {size} configurations of the space have been measured"
        return StopStatus(True, reason, 0.0, self.share, 1.0)
