"""What one measurement is: metrics with units, intervals and sources, or a failure's cause."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from tuner.measure.in_force import InForce

EnergySource = Literal["nvml_counter", "nvml_power", "rapl", "zeus", "estimated"]
"""The meters that come with the tuner; a meter of somebody else's has a name of its own."""

Cause = Literal["out_of_memory", "refused", "crash", "hang", "wrong_output"]
Validity = Literal["valid", "suspect", "invalid"]


@dataclass(frozen=True)
class Metric:
    """One quantity of one configuration, with its 95 % interval.

    Attributes:
        value: the estimate over all repeats.
        unit: SI symbol (`J`, `ms`, `tok/s`), or `1` for shares.
        low: lower end of the 95 % interval; None where one repeat gives none.
        high: upper end of it.
        sem: standard error of `value`, in `unit`; None where unknown.
        n: how many repeats (or graded answers) it rests on.
        source: where it comes from, in a word (`nvml_counter`, `estimated`, `clock`, `graded`).
        repeats: the value of each repeat, in the order measured.

    """

    value: float
    unit: str
    low: float | None
    high: float | None
    sem: float | None
    n: int
    source: str
    repeats: tuple[float, ...] = ()


@dataclass(frozen=True)
class EnergyPart:
    """The energy of one scope, as one meter reads it.

    Attributes:
        scope: what is metered, for instance `gpu:GPU-1234`, `package-0`, `process tree`.
        source: the meter, for instance `nvml_counter`.
        joules: mean over the windows of a measurement; in one reading that of its window. None
            where the meter failed.

    """

    scope: str
    source: str
    joules: float | None


@dataclass(frozen=True)
class EnergyProvenance:
    """Where the joules of a measurement come from.

    Attributes:
        energy_source: the meter, or several as in `nvml_counter+rapl`; `estimated` where no meter
            could be read.
        energy_scope: what is metered, for instance `gpu:GPU-1234 + package-0`.
        energy_quantisation_rel: largest relative error from the meter's ticks in one window.
        window_s: mean length of a measured window, in seconds.
        parameters: numbers of the model behind an estimate (for instance watts per core).
        parts: the energy of each scope. All energy metrics are of their sum, whose mean over the
            windows is `energy_j`. Empty where a command of the user's measured.

    """

    energy_source: str
    energy_scope: str
    energy_quantisation_rel: float
    window_s: float
    parameters: Mapping[str, float] = field(default_factory=dict)
    parts: tuple[EnergyPart, ...] = ()

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> EnergyProvenance:
        """Read what `dataclasses.asdict` made; records from before there were parts have none."""
        parts = tuple(EnergyPart(**part) for part in data.get("parts", ()))
        return cls(**{**data, "parts": parts})


@dataclass(frozen=True)
class Failure:
    """Why a configuration could not be measured.

    Attributes:
        cause: what kind of failure, for the feasibility model.
        message: the engine's own words, shortened.

    """

    cause: Cause
    message: str


@dataclass(frozen=True)
class Measurement:
    """All that was learned from running one configuration.

    Attributes:
        metrics: by name, those of `vllm bench serve` where it has one; empty after a failure.
        validity: `suspect` and `invalid` say why in `reasons`.
        reasons: sentences behind the validity.
        energy: provenance of the energy metrics; None where there are none.
        failure: None where it ran.
        seconds: wall time that the measurement took, loading and warm-up included.
        setup_seconds: the part of it before the first measured window.
        in_force: engine, model and arguments that it was measured with, as the engine says.
        scores: for each prompt the mean score over the repeats, in [0, 1], in the task's order.
        prompt_seconds: for each prompt the mean latency in seconds, in the same order.
        bounds: of a measurement that was ended early: by metric, what it is at least as bad as.
            Then there are no metrics.
        notes: sentences on how it was measured that are no cause for doubt.

    """

    metrics: Mapping[str, Metric]
    validity: Validity = "valid"
    reasons: tuple[str, ...] = ()
    energy: EnergyProvenance | None = None
    failure: Failure | None = None
    seconds: float = 0.0
    setup_seconds: float = 0.0
    in_force: InForce = field(default_factory=InForce)
    scores: tuple[float, ...] = ()
    prompt_seconds: tuple[float, ...] = ()
    bounds: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; `Measurement.from_dict` reads them back equal."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Measurement:
        """Read what `to_dict` wrote."""
        metrics = {
            name: Metric(**{**entry, "repeats": tuple(entry["repeats"])})
            for name, entry in data["metrics"].items()
        }
        energy, failure = data["energy"], data["failure"]
        return cls(
            metrics=metrics,
            validity=data["validity"],
            reasons=tuple(data["reasons"]),
            energy=EnergyProvenance.from_dict(energy) if energy else None,
            failure=Failure(**failure) if failure else None,
            seconds=data["seconds"],
            setup_seconds=data["setup_seconds"],
            in_force=_in_force(data),
            scores=tuple(data["scores"]),
            prompt_seconds=tuple(data.get("prompt_seconds", ())),
            bounds=data.get("bounds", {}),
            notes=tuple(data.get("notes", ())),
        )


def _in_force(data: Mapping[str, Any]) -> InForce:
    if "in_force" in data:
        return InForce.from_dict(data["in_force"])
    return InForce.from_settings(data["settings"])  # written by an earlier release
