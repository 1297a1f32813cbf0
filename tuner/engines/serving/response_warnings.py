"""What the reader of a server's figures should know about its answers."""

from __future__ import annotations

from collections.abc import Sequence

from tuner.engines.serving.stream import RequestOutcome
from tuner.workloads import Request


def response_warnings(requests: Sequence[Request], outcomes: Sequence[RequestOutcome]) -> list[str]:
    """Sentences on requests that failed, and on answers whose figures need care."""
    words = []
    n = len(outcomes)
    if broken := [outcome for outcome in outcomes if outcome.cause is not None]:
        words.append(f"{len(broken)} of {n} requests failed: {broken[0].completion.error}")
    if bundled := sum(outcome.bundled for outcome in outcomes):
        words.append(
            f"{bundled} of {n} answers came in fewer pieces than tokens (several at once, or "
            "without text): their times between tokens are unknown, those per token come from the "
            "server's usage"
        )
    if counted := sum(outcome.counted for outcome in outcomes):
        words.append(
            f"the server told no usage for {counted} of {n} answers: tokens counted by the "
            "model's tokenizer"
        )
    whole = [
        (request, outcome.completion.n_output_tokens)
        for request, outcome in zip(requests, outcomes, strict=False)
        if outcome.cause is None
    ]
    if short := sum(n_output < (request.min_tokens or 0) for request, n_output in whole):
        words.append(f"{short} of {n} answers are shorter than the workload asks for")
    if long := sum(n_output > (request.max_tokens or n_output) for request, n_output in whole):
        words.append(f"{long} of {n} answers are longer than the workload allows")
    return words
