"""One request, and what a collection of them has to offer so that it can be measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Request:
    """What is asked of an engine once.

    Attributes:
        prompt: the text.
        max_tokens: the answer ends after so many tokens; None leaves it to the configuration.
        min_tokens: the answer has so many tokens at least, where the engine can be told so; None
            lets it end by itself.
        arrival_s: when it arrives, in seconds since the run began; None where a request comes as
            soon as one before it has been answered (a closed loop).

    """

    prompt: str
    max_tokens: int | None = None
    min_tokens: int | None = None
    arrival_s: float | None = None


class Work(Protocol):
    """Requests in the order in which they are asked, graded or not."""

    @property
    def name(self) -> str:
        """What to call it in results."""

    def __len__(self) -> int:
        """Number of requests."""

    @property
    def requests(self) -> tuple[Request, ...]:
        """All of them."""

    def select(self, indices: Sequence[int]) -> Work:
        """Some of them; arrivals then count from the first of these."""

    def grade(self, completions: Sequence[str]) -> tuple[float, ...] | None:
        """Scores in [0, 1] of the first answers; None where nobody knows the right ones."""
