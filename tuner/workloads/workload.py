"""Ungraded requests with a name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tuner.workloads.prompt_synthesis import Fill
from tuner.workloads.request import Request
from tuner.workloads.trace import Trace


@dataclass(frozen=True)
class Workload:
    """Requests whose right answers nobody knows, in the order in which they are asked.

    Attributes:
        name: what to call it in results.
        requests: all of them.

    """

    name: str
    requests: tuple[Request, ...]

    def __len__(self) -> int:
        return len(self.requests)

    def select(self, indices: Sequence[int]) -> Workload:
        """Some of the requests; arrivals then count from the earliest of these."""
        chosen = [self.requests[i] for i in indices]
        first = min((r.arrival_s for r in chosen if r.arrival_s is not None), default=0.0)
        return Workload(
            self.name,
            tuple(
                r if r.arrival_s is None else replace(r, arrival_s=r.arrival_s - first)
                for r in chosen
            ),
        )

    def grade(self, completions: Sequence[str]) -> None:
        """None: there is nothing to grade by."""
        return


def filled(trace: Trace, fill: Fill, seed: int = 0) -> Workload:
    """The requests of a trace, with prompts of its lengths and answers held to its lengths.

    No two prompts begin alike, as far as their lengths allow, so that an engine that keeps
    prefixes gains nothing that real traffic would not give it.
    """
    arrivals: Sequence[float | None] = trace.arrival_s or (None,) * len(trace)
    lengths = zip(trace.input_tokens, trace.output_tokens, arrivals, strict=True)
    return Workload(
        trace.name,
        tuple(
            Request(fill(i, f"{seed}/{k}"), max_tokens=o, min_tokens=o, arrival_s=arrival)
            for k, (i, o, arrival) in enumerate(lengths)
        ),
    )
