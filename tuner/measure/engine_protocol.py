"""What an engine has to do so that it can be measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from tuner.measure.in_force import InForce
from tuner.measure.measurement import Cause
from tuner.workloads import Request

if TYPE_CHECKING:
    from tuner.space.contract import Arguments


@dataclass(frozen=True)
class Completion:
    """The answer to one request, with its times since the request was handed to the engine.

    Attributes:
        text: what was generated, without prompt and special tokens.
        n_prompt_tokens: length of the prompt as the engine counts it.
        n_output_tokens: tokens generated, the final end-of-sequence token included.
        ttft_s: when the first token was decided; None where the engine does not tell.
        last_token_s: when this request's last token was decided; None likewise.
        latency_s: when the whole answer was handed over. In a static batch that is when the
            slowest request of the batch has finished.
        finish_reason: `stop` where the model ended its answer, `length` where a limit cut it.
        gaps_s: times between the pieces of a streamed answer; empty where it was not streamed.
        error: why the request got no whole answer, in the engine's words; None where it did. A
            failed request counts in no time, token or score.

    """

    text: str
    n_prompt_tokens: int
    n_output_tokens: int
    ttft_s: float | None
    last_token_s: float | None
    latency_s: float
    finish_reason: Literal["stop", "length"]
    gaps_s: tuple[float, ...] = ()
    error: str | None = None


KeepGoing = Callable[[], bool]
"""Asked several times a second while an engine is busy. From its first no on, the engine gives up
what it is doing as soon as it can. It raises `InterruptedRun` where there is no time even for that:
then whatever does not end at once is ended."""


class InterruptedRun(Exception):  # noqa: N818 (it is no error)
    """An engine gave up before it had anything to show, because it was told to."""


def or_interrupt(time_left: Callable[[], bool]) -> KeepGoing:
    """Leaves no time once there is none left."""

    def keep_going() -> bool:
        if not time_left():
            raise InterruptedRun
        return True

    return keep_going


class EngineFailure(Exception):  # noqa: N818 (as `Failure`, which records it)
    """A configuration that the engine could not run: an observation, not a defect of the tuner.

    Attributes:
        cause: what kind of failure.
        message: the engine's own words, shortened.

    """

    def __init__(self, cause: Cause, message: str) -> None:
        super().__init__(f"{cause}: {message}")
        self.cause: Cause = cause
        self.message = message


class Engine(Protocol):
    """Answers requests under a configuration, in processes of its own.

    After an `EngineFailure` or an `InterruptedRun` the next `apply` has to find a working engine
    again.
    """

    @property
    def in_force(self) -> InForce:
        """What is in force since the last `apply`; `run` may add warnings to it."""

    @property
    def device(self) -> str:
        """Where it runs: `cpu`, `cuda`, or `elsewhere` where that cannot be seen from here."""

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes that do the work; their children count too. Empty while none runs."""

    @property
    def peak_memory_bytes(self) -> int | None:
        """The largest memory during the last `run`; None where unknown."""

    def apply(self, arguments: Arguments, *, keep_going: KeepGoing | None = None) -> InForce:
        """Bring a configuration into force, loading what it takes, and return `in_force`.

        Raises `EngineFailure`, and `InterruptedRun` where `keep_going` says no or raises it.
        """

    def run(
        self,
        requests: Sequence[Request],
        *,
        seed: int,
        seconds: float | None = None,
        keep_going: KeepGoing | None = None,
    ) -> list[Completion]:
        """Answer the requests, in their order, and return one completion each.

        None begins after `seconds`: the list may be shorter than the requests, but holds one
        batch at least. Where `keep_going` says no, what is under way is given up in the middle of
        a batch, and the list holds what was answered before, which may be nothing. Engines that
        take one batch after the other pay no heed to arrivals. Raises `EngineFailure`, and
        `InterruptedRun` where nothing can be told of what was answered.
        """

    def close(self) -> None:
        """End all processes. May be called twice."""
