"""Show whether interleaving takes the drift of a busy machine out of ratios.

Two configurations of an untrained model take turns in blocks while busy loops on all cores come and
go, as in the verification of a study. Ratios of the two within a block (paired) are compared with
ratios across blocks (raw), which is what measuring one configuration after the other gives. Prints
the spread (standard deviation of the logarithm) of both kinds, for latency and for the energy from
the best meter there is, and what the busy loops took of the machine.

    python benchmarks/drift.py [--blocks 20]
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import random
import statistics
import tempfile
import time
from multiprocessing.synchronize import Event
from pathlib import Path

from tuner.engines import TransformersEngine
from tuner.measure import (
    MeasurementProtocol,
    Metering,
    Metric,
    TurnTaking,
    Window,
    combined,
    compare,
)
from tuner.space import Arguments
from tuner.tasks import builtin_task


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blocks", type=int, default=20)
    parser.add_argument("--requests", type=int, default=64, help="In each window.")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = untrained_model(Path(folder))
        with TransformersEngine() as engine, busy_machine(options.seed):
            turns = TurnTaking(engine, Metering(), builtin_task(n=128), MeasurementProtocol())
            indices = tuple(range(options.requests))
            windows: dict[int, list[Window]] = {16: [], 4: []}
            for block in range(options.blocks):
                for size in random.Random(block).sample([16, 4], 2):
                    told = arguments(model, batch_size=size)
                    measurement = turns.window(size, told, indices, seed=block)
                    windows[size].append(Window(block, indices, measurement))
            first, second = (combined(windows[size]) for size in (16, 4))
    taken = first.metrics["foreign_cpu_share"].value
    print(
        f"{options.blocks} blocks on {os.cpu_count()} cores with busy loops that come and go; "
        f"they took {taken:.0%} of the machine"
    )
    print(f"{'metric':20} {'ratio':>7} {'95 % interval':>16} {'paired':>8} {'raw':>8} {'share':>6}")
    for name in ("mean_e2el_ms", "joules_per_request"):
        a, b = first.metrics[name], second.metrics[name]
        paired, raw = spreads(a, b)
        ratio = compare(a, b)
        print(
            f"{name:20} {ratio.value:7.3f} [{ratio.low:6.3f}, {ratio.high:6.3f}] "
            f"{paired:8.3f} {raw:8.3f} {paired / raw:6.2f}"
        )


def spreads(a: Metric, b: Metric) -> tuple[float, float]:
    """Standard deviation of log ratios within blocks, and over all pairs of different blocks."""
    logs_a, logs_b = ([math.log(v) for v in metric.repeats] for metric in (a, b))
    n = len(logs_a)
    paired = [x - y for x, y in zip(logs_a, logs_b, strict=True)]
    raw = [logs_a[i] - logs_b[j] for i in range(n) for j in range(n) if i != j]
    return statistics.stdev(paired), statistics.pstdev(raw)


def arguments(model: str, batch_size: int) -> Arguments:
    return Arguments(
        load={"model": model},
        request={"max_new_tokens": 24, "min_new_tokens": 24},
        harness={"batch_size": batch_size, "threads": 1},
    )


def untrained_model(folder: Path) -> str:
    """A small Llama with random weights: it takes as long as a trained one."""
    from tuner.builtin_models.architecture import SIZES, build_model
    from tuner.builtin_models.tokens import build_tokenizer

    build_model(SIZES["base"]).save_pretrained(folder)
    build_tokenizer().save_pretrained(folder)
    return str(folder)


class busy_machine:  # noqa: N801 (used like a function)
    """Keeps all cores busy for random stretches of 5 to 15 s, with rests of the same length."""

    def __init__(self, seed: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._busy = context.Event()
        self._processes = [
            context.Process(target=_burn, args=(self._busy, os.getpid()), daemon=True)
            for _ in range(os.cpu_count() or 1)
        ]
        self._processes.append(
            context.Process(target=_switch, args=(self._busy, seed, os.getpid()), daemon=True)
        )

    def __enter__(self) -> None:
        for process in self._processes:
            process.start()

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.kill()
            process.join()


def _burn(busy: Event, parent: int) -> None:
    while os.getppid() == parent:
        if not busy.wait(1.0):
            continue
        end = time.perf_counter() + 0.05
        while time.perf_counter() < end:
            pass


def _switch(busy: Event, seed: int, parent: int) -> None:
    rng = random.Random(seed)
    while os.getppid() == parent:
        (busy.clear if busy.is_set() else busy.set)()
        time.sleep(rng.uniform(5, 15))


if __name__ == "__main__":
    main()
