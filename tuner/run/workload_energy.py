"""The energy of a whole workload from one measured batch of each of its bins."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tuner.builtin_models.counting import token_counter
from tuner.engines import TransformersEngine
from tuner.errors import UserError
from tuner.measure import EngineFailure, MeasurementProtocol, Metering, Metric
from tuner.measure.passes import run_pass
from tuner.measure.statistics import estimate_mean
from tuner.space import Arguments
from tuner.workloads import (
    Grid,
    Trace,
    Workload,
    WorkloadEnergy,
    bins,
    drawn_requests,
    exact_fill,
    workload_energy,
)
from tuner.workloads.bins import Corner

BATCHES = 3
"""Batches of a bin in one window, so that its first one weighs less."""


@dataclass(frozen=True)
class MeasuredWorkload:
    """Energies of full batches, by bin, and what they add up to.

    Attributes:
        batches: energy of one batch of each bin, in joules.
        whole: of the workload.
        scope: what was metered.

    """

    batches: dict[Corner, Metric]
    whole: WorkloadEnergy
    scope: str

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        whole = {k: v for k, v in vars(self.whole).items() if k != "parts"}
        return {
            **whole,
            "energy_scope": self.scope,
            "joules_per_request": self.whole.joules_per_request,
            "bins": [
                {
                    "input_tokens": corner[0],
                    "output_tokens": corner[1],
                    "joules": self.whole.parts[corner],
                    "batch_joules": metric.value,
                    "batch_low": metric.low,
                    "batch_high": metric.high,
                }
                for corner, metric in self.batches.items()
            ],
        }


def measure_workload(
    trace: Trace,
    model: str,
    *,
    grid: Grid | None = None,
    batch: int = 4,
    rounds: int = 5,
    seed: int = 0,
    on_progress: Callable[[str], None] = lambda text: None,
) -> MeasuredWorkload:
    """Measure a few batches of each bin in every round and add up the whole trace.

    Each round draws other requests of the bins and takes the bins in another order, so that the
    interval covers what the requests of a bin differ by, and a drift does not favour any bin. One
    round before them warms up.

    Args:
        trace: token lengths, none longer than the model takes.
        model: as `tune run --model` takes it; it runs at its own defaults but for the batch.
        grid: of the bins.
        batch: requests answered together.
        rounds: two at least.
        seed: of the requests and the order.
        on_progress: is told what is being done.

    Raises:
        UserError: the model cannot answer such requests, or nothing meters energy.
    """
    grid, found = grid or Grid(), bins(trace, grid)
    fill, joules = exact_fill(token_counter(model)), defaultdict(list)
    protocol = MeasurementProtocol()
    with TransformersEngine() as engine, Metering() as metering:
        try:
            engine.apply(Arguments({"model": model}, {"do_sample": False}, {"batch_size": batch}))
            meter = metering.meter_for(engine, protocol)
            for number in range(rounds + 1):
                asked = drawn_requests(trace, fill, BATCHES * batch, seed=seed + number, grid=grid)
                order = random.Random(f"{seed}/{number}").sample(list(asked), len(asked))
                for place, corner in enumerate(order):
                    on_progress(
                        f"round {number} of {rounds}, bin {place + 1} of {len(asked)}"
                        if number
                        else f"warm-up, bin {place + 1} of {len(asked)}"
                    )
                    work = Workload("bin", asked[corner])
                    one = run_pass(engine, meter, work, range(len(work)), seed=seed + number)
                    if number and one.reading.joules is not None:
                        joules[corner].append(one.reading.joules / BATCHES)
        except EngineFailure as failure:
            raise UserError(f"{model} cannot answer these requests: {failure}") from failure
    if len(joules) < len(found):
        raise UserError(f"the meter ({meter.source}) gave no energy; see tune doctor")
    energies = {corner: _energy(values, meter.source) for corner, values in joules.items()}
    return MeasuredWorkload(energies, workload_energy(found, energies, batch), meter.scope)


def _energy(values: list[float], source: str) -> Metric:
    mean = estimate_mean(values)
    return Metric(
        mean.value, "J", mean.low, mean.high, mean.sem, len(values), source, tuple(values)
    )
