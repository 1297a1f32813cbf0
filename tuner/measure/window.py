"""Windows of several configurations that take turns, and what they give together.

What slows a machine for a while slows all windows of a block, so that it cancels out in their
ratios (`tuner.measure.statistics.compare`).
"""

from __future__ import annotations

import math
import random
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tuner.measure._run import Run
from tuner.measure.engine_protocol import Engine, EngineFailure, KeepGoing
from tuner.measure.measurement import EnergyProvenance, Measurement, Metric
from tuner.measure.measurement_protocol import MeasurementProtocol
from tuner.measure.metering import Metering
from tuner.measure.phase import OnPhase
from tuner.measure.statistics import estimate_mean, estimate_share, trimmed_mean
from tuner.workloads import Work

if TYPE_CHECKING:
    from tuner.space.contract import Arguments

_STATISTICS = ("mean", "median", "p90", "p99")
PER_REQUEST = (
    "joules_per_request",
    "cpu_seconds_per_request",
    *(f"{statistic}_{kind}_ms" for kind in ("e2el", "ttft") for statistic in _STATISTICS),
)
"""Metrics that are larger for requests that take longer. The time to the first token is scaled as
the whole latency is, so that it stays the smaller of the two."""


SHARES = ("foreign_cpu_share", "held_up_share")
"""Metrics whose mean over the windows is a plain one, so that no window is forgotten."""


@dataclass(frozen=True)
class Window:
    """One configuration's part of a block.

    Attributes:
        block: which block of the verification; windows of the same block are compared.
        indices: the requests, by their index in the work.
        measurement: of this window alone; every metric has one repeat.
        difficulty: how long these requests take the default, relative to the mean of all of them.
    """

    block: int
    indices: tuple[int, ...]
    measurement: Measurement
    difficulty: float = 1.0

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; `Window.from_dict` reads them back equal."""
        return {
            "block": self.block,
            "indices": list(self.indices),
            "measurement": self.measurement.to_dict(),
            "difficulty": self.difficulty,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Window:
        """Read what `to_dict` wrote."""
        measurement = Measurement.from_dict(data["measurement"])
        return cls(data["block"], tuple(data["indices"]), measurement, data["difficulty"])


class TurnTaking:
    """Measures windows of configurations that take turns on one engine.

    Args:
        engine: runs them.
        metering: gives the meters for what it runs on; the caller's, who closes it.
        work: what is asked.
        protocol: the rules.
        seed: of warm-up answers.
        on_phase: is told what begins.
        keep_going: once it says no, the window under way is given up.

    """

    def __init__(
        self,
        engine: Engine,
        metering: Metering,
        work: Work,
        protocol: MeasurementProtocol,
        *,
        seed: int = 0,
        on_phase: OnPhase = lambda phase: None,
        keep_going: KeepGoing | None = None,
    ) -> None:
        def make(arguments: Arguments) -> Run:
            rng = random.Random(seed)
            return Run(
                engine,
                metering,
                arguments,
                work,
                protocol,
                rng,
                on_phase,
                keep_going=keep_going,
            )

        self._make = make
        self._runs: dict[Hashable, Run] = {}

    def window(
        self, key: Hashable, arguments: Arguments, indices: Sequence[int], seed: int
    ) -> Measurement:
        """Bring a configuration into force and answer some requests in a metered window.

        Args:
            key: of the configuration; what was loaded for it once counts as warm.
            arguments: the configuration.
            indices: which requests, in order.
            seed: of sampled answers.

        Returns:
            a measurement whose metrics have one repeat, or one with a failure.

        Raises:
            InterruptedRun: it was given up.
        """
        if key not in self._runs:
            self._runs[key] = self._make(arguments)
        run = self._runs[key]
        try:
            return run.window(indices, seed)
        except EngineFailure as failure:
            return run.failed(failure)


def combined(windows: Sequence[Window], scores: Sequence[float] = ()) -> Measurement:
    """What windows of one configuration give together, in the order of their blocks.

    Metrics of requests are divided by the difficulty of those that were asked. The estimate is the
    trimmed mean of the windows (`trimmed_mean`) on the logarithmic scale.

    Args:
        windows: at least one.
        scores: of the prompts in the task's order.
    """
    windows = sorted(windows, key=lambda window: window.block)
    measurements = [window.measurement for window in windows]
    failed = next((m for m in measurements if m.failure is not None), None)
    if failed is not None:
        return failed
    names = [n for n in measurements[0].metrics if all(n in m.metrics for m in measurements)]
    metrics = {name: _combined(name, windows) for name in names}
    if scores:
        share = estimate_share(scores)
        metrics["accuracy"] = Metric(
            share.value, "1", share.low, share.high, share.sem, len(scores), "graded"
        )
    reasons = tuple(dict.fromkeys(reason for m in measurements for reason in m.reasons))
    return replace(
        measurements[-1],
        metrics=metrics,
        validity="suspect" if reasons else "valid",
        reasons=reasons,
        energy=_provenance([m.energy for m in measurements if m.energy is not None]),
        seconds=math.fsum(m.seconds for m in measurements),
        setup_seconds=math.fsum(m.setup_seconds for m in measurements),
        scores=tuple(scores),
        notes=tuple(dict.fromkeys(note for m in measurements for note in m.notes)),
    )


def _combined(name: str, windows: Sequence[Window]) -> Metric:
    first = windows[0].measurement.metrics[name]
    repeats = tuple(
        window.measurement.metrics[name].value / (window.difficulty if name in PER_REQUEST else 1.0)
        for window in windows
    )
    if min(repeats) > 0 and name not in SHARES:
        logs = trimmed_mean([math.log(value) for value in repeats])
        value = math.exp(logs.value)
        low, high = (None if x is None else math.exp(x) for x in (logs.low, logs.high))
        sem = None if logs.sem is None else value * logs.sem
    else:
        plain = estimate_mean(repeats) if name in SHARES else trimmed_mean(repeats)
        value, low, high, sem = plain.value, plain.low, plain.high, plain.sem
    return Metric(value, first.unit, low, high, sem, len(repeats), first.source, repeats)


def _provenance(windows: Sequence[EnergyProvenance]) -> EnergyProvenance | None:
    if not windows:
        return None
    return replace(
        windows[-1],
        energy_quantisation_rel=max(w.energy_quantisation_rel for w in windows),
        window_s=math.fsum(w.window_s for w in windows) / len(windows),
    )
