"""Service levels: what a configuration has to keep before anything else about it counts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tuner.errors import UserError
from tuner.metrics import Direction
from tuner.surrogates.objective import Objective

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_LEVEL = re.compile(
    rf"\s*(?P<metric>[A-Za-z]\w*)\s*(?P<sense><=|>=|<|>)\s*"
    rf"(?:(?P<bound>{_NUMBER})(?P<times>\s*x)?"
    rf"|default\s*(?:(?P<how>[-+*])\s*(?P<by>{_NUMBER}))?)\s*"
)
_GOODPUT = re.compile(rf"(?P<kind>ttft|tpot|e2el):(?P<ms>{_NUMBER})")
GOODPUT_SHARE = "p99"
"""`ttft:500` is promised to so many of the requests."""


@dataclass(frozen=True)
class ServiceLevel:
    """A bound on a metric: `p99_ttft_ms<500`, `accuracy>=default-0.01`, `mean_e2el_ms<5x`.

    Attributes:
        metric: its name.
        direction: `min` for an upper bound, `max` for a lower one.
        bound: the number; where `how` is set, what the default's value is changed by.
        how: `+`, `-` or `*` for a bound relative to what the default configuration reaches; `5x`
            is short for `default*5`.
        text: as it was written.

    """

    metric: str
    direction: Direction
    bound: float
    how: Literal["+", "-", "*"] | None
    text: str

    def limit(self, default: float | None) -> float | None:
        """The bound as a number; None where the default's value is needed and not known."""
        if self.how is None:
            return self.bound
        if default is None:
            return None
        if self.how == "*":
            return default * self.bound
        return default + (self.bound if self.how == "+" else -self.bound)

    def holds(self, value: float, limit: float) -> bool:
        """Whether a value keeps the limit; being equal to it does."""
        return value <= limit if self.direction == "min" else value >= limit

    @property
    def objective(self) -> Objective:
        """The metric as a surrogate models it."""
        return Objective.parse(f"{self.metric}:{self.direction}")


def parse_levels(texts: Iterable[str], option: str = "--slo") -> tuple[ServiceLevel, ...]:
    """Levels from texts, each either one comparison or per-request bounds `ttft:500 tpot:50`.

    Per-request bounds are in milliseconds, as `vllm bench serve --goodput` takes them, and are
    promised to 99 of 100 requests.

    Args:
        texts: what was given.
        option: the option that took them, for the message.

    Raises:
        UserError: a text is neither; the message shows both forms.
    """
    levels: list[ServiceLevel] = []
    for text in texts:
        match = _LEVEL.fullmatch(text)
        if match is not None:
            levels.append(_level(match, text.strip()))
            continue
        parts = [_GOODPUT.fullmatch(part) for part in text.split()]
        if not parts or not all(parts):
            raise UserError(
                f"{option} {text}: not a bound; write METRIC<NUMBER or METRIC>=NUMBER, as in "
                "'p99_ttft_ms<500', 'accuracy>=default-0.01' or 'mean_e2el_ms<5x' (five times the "
                "default's), or bounds for each request in milliseconds, as in 'ttft:500 tpot:50'."
            )
        for part in filter(None, parts):
            metric = f"{GOODPUT_SHARE}_{part['kind']}_ms"
            bound = float(part["ms"])
            levels.append(ServiceLevel(metric, "min", bound, None, f"{metric}<={bound:g}"))
    return tuple(dict.fromkeys(levels))


def goodput_bounds(texts: Iterable[str]) -> dict[str, float]:
    """The per-request bounds in milliseconds among the texts, by `ttft`, `tpot` or `e2el`."""
    found = (_GOODPUT.fullmatch(part) for text in texts for part in text.split())
    return {match["kind"]: float(match["ms"]) for match in found if match is not None}


def limits_of(levels: Sequence[ServiceLevel], default: Mapping[str, float]) -> list[float | None]:
    """The bounds as numbers, given the default configuration's metrics."""
    return [level.limit(default.get(level.metric)) for level in levels]


def _level(match: re.Match[str], text: str) -> ServiceLevel:
    direction: Direction = "min" if match["sense"].startswith("<") else "max"
    if match["bound"] is not None:
        times: Literal["*"] | None = "*" if match["times"] else None
        return ServiceLevel(match["metric"], direction, float(match["bound"]), times, text)
    how: Literal["+", "-", "*"] = match["how"] or "+"  # type: ignore[assignment]
    return ServiceLevel(match["metric"], direction, float(match["by"] or 0.0), how, text)


def modelled_outputs(
    objectives: Sequence[Objective], levels: Sequence[ServiceLevel]
) -> tuple[Objective, ...]:
    """What has to be known of a configuration: the objectives, then what levels add to them."""
    known = {(o.metric, o.direction) for o in objectives}
    extra = [level.objective for level in levels if (level.metric, level.direction) not in known]
    return (*objectives, *dict.fromkeys(extra))


def check_limits(limits: Sequence[ServiceLevel], objectives: Sequence[Objective]) -> None:
    """Refuse limits on what is no objective, or on its good side."""
    for limit in limits:
        if (limit.metric, limit.direction) not in {(o.metric, o.direction) for o in objectives}:
            known = ", ".join(
                f"{o.metric}{'<' if o.direction == 'min' else '>='}.." for o in objectives
            )
            raise UserError(
                f"the limit {limit.text} is on no objective; it has to be one of {known}"
            )
