"""Show what metering costs, as a share of a window's time.

Times what a metered pass does besides the work: reading the meter and the CPU clocks before and
after it, noting the time of every token, and writing and reading the messages to the child. Prints
the wall and CPU time of each part for one pass, and its share of the pass.

    python benchmarks/metering_overhead.py [--prompts 96]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from drift import arguments, untrained_model

from tuner.engines import TransformersEngine
from tuner.measure import best_meter
from tuner.measure.foreign_load import ProcessorTimes
from tuner.measure.meters import cpu_seconds
from tuner.tasks import builtin_task


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompts", type=int, default=96)
    options = parser.parse_args()
    task = builtin_task(n=options.prompts)
    with tempfile.TemporaryDirectory() as folder, TransformersEngine() as engine:
        engine.apply(arguments(untrained_model(Path(folder)), batch_size=16))
        engine.run(task.requests, seed=0)
        meter = best_meter(lambda: engine.pids, engine.device, engine.in_force.gpus)
        began = time.perf_counter()
        meter.start()
        completions = engine.run(task.requests, seed=0)
        reading = meter.stop()
        window = reading.seconds
        around = time.perf_counter() - began - window
        messages = json.dumps([asdict(completion) for completion in completions])
        clocks = cost(lambda: cpu_seconds(engine.pids))
        times = cost(lambda: ProcessorTimes.now(engine.pids))
        steps = sum(c.n_output_tokens for c in completions[::16])
    parts = {
        "CPU clocks of the engine, twice": 2 * clocks,
        "times of tokens": steps * cost(step_clock()),
        "messages": 2 * (cost(lambda: json.dumps(messages)) + cost(lambda: json.loads(messages))),
    }
    outside = {
        "waiting for the meter, outside": around,
        "times of all processors, outside": 2 * times,
    }
    print(f"one pass over {options.prompts} prompts took {window:.3f} s; meter: {meter.source}")
    for name, seconds in {**parts, **outside}.items():
        print(f"{name:34} {seconds * 1e3:9.3f} ms {seconds / window:9.3%}")
    inside = sum(parts.values())
    print(f"{'inside of the window':34} {inside * 1e3:9.3f} ms {inside / window:9.3%}")


def cost(action: Callable[[], object], n: int = 200) -> float:
    """Median seconds of one call."""
    times = []
    for _ in range(n):
        began = time.perf_counter()
        action()
        times.append(time.perf_counter() - began)
    return sorted(times)[n // 2]


def step_clock() -> Callable[[], object]:
    """What is called once for every token of a batch."""
    import torch

    from tuner.engines.transformers_generation import _StepClock

    clock, ids = _StepClock("cpu", lambda: True), torch.zeros(16, 32, dtype=torch.long)
    return lambda: clock(ids, None)


if __name__ == "__main__":
    main()
