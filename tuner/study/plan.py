"""What a study would do, as it is told before any engine is started."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from tuner.space import Configuration


@dataclass(frozen=True)
class StudyPlan:
    """What would be measured, and in what time.

    Attributes:
        engine: what is tuned, by its feature model.
        models: that may be chosen.
        configurations: how many there are.
        requests: that a configuration is timed on; 0 where a command measures itself.
        graded: how many of the answers, or of further prompts, are graded.
        objectives: `metric:direction`.
        limits: beyond them configurations are ended early.
        levels: that recommendations have to keep.
        default: the configuration that everything is compared with.
        first: the configurations that are measured first, whatever they show.
        meter: what energy would be read from here.
        installed: what is installed of the engine; None where that says nothing.
        seconds: limit of time, in all; None for none.
        default_seconds: the default may take so long to answer every request.
        verification_seconds: so much of the limit is kept for verification at most.
        trial_seconds: aim for the measured part of any other configuration.
        least_blocks: so many blocks the verification has where there is time for them.
    """

    engine: str
    models: tuple[str, ...]
    configurations: int
    requests: int
    graded: int
    objectives: tuple[str, ...]
    limits: tuple[str, ...]
    levels: tuple[str, ...]
    default: Configuration
    first: tuple[Configuration, ...]
    meter: str
    installed: str | None
    seconds: float | None
    default_seconds: float | None
    verification_seconds: float | None
    trial_seconds: float
    least_blocks: int

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        entry = asdict(self)
        entry["default"] = dict(self.default)
        entry["first"] = [dict(configuration) for configuration in self.first]
        return entry
