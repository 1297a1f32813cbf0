"""Measuring candidates again beside the default, block by block, in the time that there is."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

from tuner.advice.choice import Point, RoleSelector
from tuner.advice.contest import is_decided, still_open
from tuner.advice.paired import PairedMeasurement, observed_points, verified_points
from tuner.advice.recommend import MAX_CANDIDATES, NEAREST
from tuner.advice.slo import check_levels, closest
from tuner.measure import InterruptedRun, VerificationBlock, Window
from tuner.run.evaluator import Evaluator
from tuner.run.verification_log import VerificationLog
from tuner.search import ServiceLevel
from tuner.space import Configuration
from tuner.study import Observer, PhaseStarted, StudySpec
from tuner.study.session import Session

LEAST_BLOCKS = 6
"""Fewer blocks say little; so much time is kept from the search for each candidate."""
FEWEST_BLOCKS = 3
"""Where there is no time for so many, fewer candidates take part."""
WORSE = 0.1
"""A simpler configuration that is worse by so much was no good idea: the one that the search found
may join then."""
LARGEST_SHARE = 0.4
"""Share of a time limit that is kept for verification at most."""
MAX_JOINING = 6
"""Configurations that join later, because what was verified turns out to be worse."""
QUIET = 0.1
"""A block counts as quiet where others held no window of it up for a larger share. Where there are
`LEAST_BLOCKS` quiet ones, the others do not count: there was time to make them again."""
WINDOW_S = 1.0
"""A window takes about so long, a batch at least; longer or shorter by the time that there is."""
SHORTEST_WINDOW_S, LONGEST_WINDOW_S = 0.5, 4.0
AIM_BLOCKS = 12
"""So many blocks should fit into the time that there is."""


class Verification:
    """The verification of a study.

    In every block each configuration that is still in the running answers requests for a second
    or so, in random order, so that whatever slows the machine for longer cancels out in ratios.
    What can no longer be chosen for any role drops out; a configuration that was not verified, and
    seems better than all that was, joins.

    Args:
        spec: of the study.
        session: with the trials so far.
        evaluator: measures windows.
        levels: service levels that candidates have to keep.
        observe: is told what begins.
        log: windows of earlier sessions, and where new ones are kept.
        simplified: the configuration that is verified in place of one that the search found.
    """

    def __init__(
        self,
        spec: StudySpec,
        session: Session,
        evaluator: Evaluator,
        levels: Sequence[ServiceLevel],
        observe: Observer,
        log: VerificationLog,
        simplified: Callable[[Configuration], Configuration] = lambda configuration: configuration,
    ) -> None:
        self._spec = spec
        self._session = session
        self._evaluator = evaluator
        self._levels = levels
        self._observe = observe
        self._log = log
        self._simplified = simplified
        self._stand_ins: dict[Configuration, Configuration] = {}
        self._default = session.space.default
        self._joined = 0
        self._pairs: dict[Configuration, tuple[int, PairedMeasurement]] = {}

    def reserve(self) -> None:
        """Keep time in the session's budget for verifying the candidates that there are now."""
        candidates = self._candidates()
        field = [self._default, *candidates] if candidates else []
        seconds = sum(self._evaluator.window_seconds(c, WINDOW_S) for c in field)
        self._session.budget.reserve_for_verification(
            LEAST_BLOCKS * seconds, largest_share=LARGEST_SHARE
        )

    def run(self, *, use_all_time: bool = False) -> None:
        """Run blocks until everything is decided, or the time is up.

        Args:
            use_all_time: whether to go on until the time limit, for narrower intervals.
        """
        if not self._points():
            return
        field = self._first_field()
        budget, most = self._session.budget, self._spec.verify_rounds
        while len(field) > 1 and budget.time_to_measure():
            number = self._log.next_block
            if number >= most and not (use_all_time and budget.limit_s is not None):
                return
            if number >= LEAST_BLOCKS and not use_all_time and self._is_decided():
                return
            if not self._run_block(number, field):
                return
            field = self._next_field(field)

    @property
    def pairs(self) -> dict[Configuration, PairedMeasurement]:
        """What was measured again, each with the default of the same blocks; empty without one."""
        windows = self._log.windows
        if self._default not in windows:
            return {}
        for configuration, mine in windows.items():
            known = self._pairs.get(configuration)
            blocks = {w.block for w in windows[self._default]} & {w.block for w in mine}
            if blocks and (known is None or known[0] != len(blocks)):
                quiet = _quiet(blocks, [*mine, *windows[self._default]])
                pair = self._pair(configuration, mine, windows[self._default], quiet)
                self._pairs[configuration] = (len(blocks), pair)
        return {c: pair for c, (_, pair) in self._pairs.items() if c not in self.failed}

    @property
    def left_out(self) -> frozenset[Configuration]:
        """What is not to be recommended: it failed, or a simpler configuration stands for it."""
        pairs = self.pairs
        replaced = {
            c for c, simple in self._stand_ins.items() if simple in pairs and c not in pairs
        }
        if not replaced:
            return self.failed
        points = {p.configuration: p for p in self._verified_points()}
        return self.failed | {
            c for c in replaced if self._is_as_good(points, self._stand_ins[c], c)
        }

    def _is_as_good(
        self, points: Mapping[Configuration, Point], simple: Configuration, found: Configuration
    ) -> bool:
        """Whether the verification bears out that a simpler configuration is no worse."""
        if simple not in points or found not in points:
            return True
        mine, theirs = points[simple].values, points[found].values
        return all(
            mine[j] >= theirs[j] - self._spec.accuracy_tolerance
            if o.kind == "accuracy"
            else (mine[j] <= theirs[j] * (1 + WORSE))
            if o.direction == "min"
            else (mine[j] >= theirs[j] * (1 - WORSE))
            for j, o in enumerate(self._session.objectives)
        )

    @property
    def failed(self) -> frozenset[Configuration]:
        """What failed when it was measured again."""
        return self._log.failed - {self._default}

    def _pair(
        self,
        configuration: Configuration,
        mine: Sequence[Window],
        default: Sequence[Window],
        blocks: set[int],
    ) -> PairedMeasurement:
        theirs = self._evaluator.combined(self._default, [w for w in default if w.block in blocks])
        if configuration == self._default:
            return PairedMeasurement(theirs, theirs)
        shared = [w for w in mine if w.block in blocks]
        return PairedMeasurement(self._evaluator.combined(configuration, shared), theirs)

    def _points(self) -> list[Point]:
        """What was measured; empty before the default is."""
        session = self._session
        points = observed_points(session.complete, session.objectives, self._default, self._levels)
        known = any(p.configuration == self._default for p in points)
        return [p for p in points if p.configuration not in self.failed] if known else []

    def _verified_points(self) -> list[Point]:
        objectives = self._session.objectives
        return verified_points(self._points(), self.pairs, objectives, self._default, self._levels)

    def _eligible_points(self) -> list[Point]:
        left_out = self.left_out
        return [p for p in self._verified_points() if p.configuration not in left_out]

    def _selector(self, points: Sequence[Point]) -> RoleSelector:
        default = next(p.values for p in points if p.configuration == self._default)
        return RoleSelector(self._session.objectives, default, self._spec.accuracy_tolerance)

    def _candidates(self) -> list[Configuration]:
        """What would be verified now, in the order of its importance, without the default."""
        points = self._points()
        if not points:
            return []
        found = self._selector(points).candidates(points, MAX_CANDIDATES)
        if not found and self._levels:
            found = self._nearest()
        return [c for c in found if c != self._default]

    def _nearest(self) -> list[Configuration]:
        """What comes closest to the service levels, where nothing keeps them."""
        complete = {r.configuration: r.measurement for r in self._session.complete}
        default = complete[self._default]
        checked = {
            c: check_levels(self._levels, m, default) for c, m in complete.items() if m is not None
        }
        return closest(checked, NEAREST)

    def _first_field(self) -> list[Configuration]:
        """The default and the candidates that there is time for, simplified."""
        field = [self._default]
        earlier = [c for c in self._log.windows if c != self._default and c not in self.failed]
        wanted = list(earlier)
        wanted += [self._stand_in(candidate) for candidate in self._candidates()]
        left_s = self._session.budget.left_s
        seconds = self._evaluator.window_seconds(self._default, SHORTEST_WINDOW_S)
        for candidate in dict.fromkeys(wanted):
            if candidate in field:
                continue
            seconds += self._evaluator.window_seconds(candidate, SHORTEST_WINDOW_S)
            if left_s is None or len(field) == 1 or FEWEST_BLOCKS * seconds <= left_s:
                field.append(candidate)
        return field

    def _stand_in(self, found: Configuration) -> Configuration:
        """The simpler configuration that is verified in place of one that the search found."""
        simple = self._simplified(found)
        if simple != found:
            self._stand_ins[found] = simple
        return simple

    def _next_field(self, field: Sequence[Configuration]) -> list[Configuration]:
        """Who takes part in the next block."""
        pairs = self.pairs
        if self._log.next_block < FEWEST_BLOCKS or self._default not in pairs:
            return [c for c in field if c not in self.failed]
        points = self._eligible_points()
        selector = self._selector(points)
        chosen = set(selector.choose(points).values())
        staying = still_open(points, pairs, selector, self._default) | chosen
        stay = [c for c in field if c in staying or c == self._default or c not in pairs]
        new = [c for c in chosen if c not in pairs and c not in field]
        for candidate in new[: MAX_JOINING - self._joined]:
            self._joined += 1
            # Where a simpler one turned out worse, the one that the search found has its turn.
            simple = self._stand_ins.get(candidate)
            worse = simple in pairs or simple in self.failed
            stay.append(candidate if worse else self._stand_in(candidate))
        stay = list(dict.fromkeys(stay))
        return [c for c in stay if c not in self.failed]

    def _is_decided(self) -> bool:
        pairs, points = self.pairs, self._eligible_points()
        selector = self._selector(points)
        chosen = set(selector.choose(points).values())
        may_join = self._joined < MAX_JOINING
        if may_join and not chosen <= pairs.keys():
            return False
        open_ones = still_open(points, pairs, selector, self._default)
        return is_decided(chosen, open_ones, pairs, self._session.objectives)

    def _run_block(self, number: int, field: Sequence[Configuration]) -> bool:
        """Give every configuration its turn; whether there was time for all of them."""
        seconds = self._window_s(len(field))
        order = random.Random(number).sample(field, len(field))
        budget = self._session.budget
        windows: dict[Configuration, Window] = {}
        for turn, configuration in enumerate(order):
            self._observe(PhaseStarted(VerificationBlock(number + 1, turn + 1, len(field))))
            try:
                windows[configuration] = self._evaluator.window(
                    configuration, number, seconds, budget.time_to_measure
                )
            except InterruptedRun:
                break
        self._log.add(number, windows)
        return len(windows) == len(field)

    def _window_s(self, n: int) -> float:
        left_s = self._session.budget.left_s
        if left_s is None:
            return WINDOW_S
        return min(LONGEST_WINDOW_S, max(SHORTEST_WINDOW_S, left_s / (n * AIM_BLOCKS)))


def _quiet(blocks: set[int], windows: Sequence[Window]) -> set[int]:
    """The blocks that others left alone, where these are enough; else all of them."""
    disturbed = {
        window.block
        for window in windows
        if (share := window.measurement.metrics.get("held_up_share")) and share.value > QUIET
    }
    quiet = blocks - disturbed
    return quiet if len(quiet) >= LEAST_BLOCKS else blocks
