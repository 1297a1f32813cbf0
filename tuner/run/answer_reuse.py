"""Which configurations cannot answer differently, so that answers need grading only once."""

from __future__ import annotations

from typing import Any

from tuner.space import Configuration, Space


def answers_key(
    space: Space, configuration: Configuration, *, greedy_by_default: bool
) -> tuple[tuple[str, Any], ...] | None:
    """All that can change the answers of a configuration; None where they are sampled.

    Args:
        space: says which features affect the accuracy.
        configuration: of the space.
        greedy_by_default: what the engine does where neither `do_sample` nor `temperature` is
            among the arguments of a request.
    """
    request = {
        name.rpartition(".")[2]: value
        for name, value in space.arguments(configuration).request.items()
    }
    if "do_sample" in request:
        sampled = bool(request["do_sample"])
    elif "temperature" in request:
        sampled = float(request["temperature"]) > 0
    else:
        sampled = not greedy_by_default
    if sampled:
        return None
    return tuple(
        (p.name, configuration[p.name])
        for p in space.parameters
        if p.name in configuration and (p.affects is None or "accuracy" in p.affects)
    )
