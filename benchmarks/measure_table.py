r"""Measure configurations of a model in process into a table, for replays with seconds as cost.

    python benchmarks/measure_table.py benchmarks/results/smollm2.csv \
        --model .real/model --task benchmarks/tasks/questions.jsonl --prompts 12 --tokens 32,16
    python benchmarks/measure_table.py benchmarks/results/builtin_family.csv \
        --model builtin --task builtin --prompts 64

Half of the rows are drawn from the whole space, as `SearchSpace.sample` does, so that no branch
drowns; the other half are one to four changes away from the default. All answer the same prompts,
once, and once more where that took less than `--repeat-below` seconds. No batch is begun after
`--cap` seconds: a row that answered fewer prompts says how many, and one that had no answer after
`--give-up` seconds failed. Rows are appended as they come; the same command goes on where it was
ended. The engine computes with one thread, so that it can be measured beside other work: `busy` is
the share of the time in which it had a processor, and what it waited for one is taken out when the
table is read (`measured_tables.py`). Every few rows the default is measured on the first prompts
(`reference` in the column `drawn`), which tells how steady the machine was.
"""

from __future__ import annotations

import argparse
import csv
import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from measured_tables import COLUMNS, METRICS, Row, read_rows

from tuner.engines.transformers_engine import TransformersEngine
from tuner.engines.worker import WorkerLimits
from tuner.measure import (
    EarlyEnd,
    Measurement,
    MeasurementProtocol,
    Memory,
    Metering,
    Repeat,
    measure,
)
from tuner.run.resolved_space import ResolvedSpace
from tuner.space import Configuration, SearchSpace
from tuner.study import StudySpec
from tuner.tasks import Task, builtin_task, read_task

REFERENCE_EVERY = 6
"""Rows from one reference to the next."""


def main() -> None:
    arguments = _arguments()
    os.nice(arguments.nice)
    space = _space(arguments)
    task = _task(arguments)
    with TransformersEngine(limits=WorkerLimits(run_s=arguments.give_up)) as engine:
        bench = Bench(engine, space, task, arguments.cap, arguments.repeat_below)
        rows = read_rows(arguments.out) if arguments.out.exists() else []
        known = {row.configuration for row in rows if row.drawn != "reference"}
        planned = {c: drawn for drawn, c in _plan(space, arguments.rows, arguments.seed)}
        left = [(drawn, c) for c, drawn in planned.items() if c not in known]
        for n, (drawn, configuration) in enumerate(left):
            if n % REFERENCE_EVERY == 0:
                _append(arguments.out, space, bench.reference(arguments.reference_prompts))
            row = bench.row(drawn, configuration)
            _append(arguments.out, space, row)
            numbers = " ".join("-" if x is None else f"{x:9.4g}" for x in row.values)
            print(
                f"{len(known) + n:4} {drawn:8} {row.seconds:6.1f} s, busy {row.busy:4.0%}, "
                f"{row.prompts} prompts: {numbers} {row.note}",
                flush=True,
            )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="CSV file, appended to")
    parser.add_argument("--model", required=True, help="builtin, or a folder")
    parser.add_argument("--task", required=True, help="builtin, or a JSONL file")
    parser.add_argument("--prompts", type=int, required=True, help="so many of the task")
    parser.add_argument("--reference-prompts", type=int, default=2)
    parser.add_argument("--tokens", help="values of max_new_tokens, the default first; all")
    parser.add_argument("--rows", type=int, default=240)
    parser.add_argument("--cap", type=float, default=60.0, help="no batch begins after these")
    parser.add_argument("--give-up", type=float, default=150.0, help="no answer after these fails")
    parser.add_argument("--repeat-below", type=float, default=6.0)
    parser.add_argument("--nice", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def _space(arguments: argparse.Namespace) -> SearchSpace:
    """The space as `tune run --model MODEL --set threads=1` has it, but for `--tokens`."""
    spec = StudySpec.of(models=(arguments.model,), task=arguments.task, pins={"threads": 1})
    resolved = ResolvedSpace.of(spec, spec.backend.models())
    if arguments.tokens:
        resolved.domains["max_new_tokens"] = [int(n) for n in arguments.tokens.split(",")]
    return resolved.search_space(spec)


def _task(arguments: argparse.Namespace) -> Task:
    """Prompts of all kinds alike, in the order of the task."""
    if arguments.task == "builtin":
        return builtin_task(n=arguments.prompts)
    whole = read_task(arguments.task)
    kinds: dict[str, list[int]] = {}
    for i, prompt in enumerate(whole.prompts):
        kinds.setdefault(prompt.kind, []).append(i)
    in_turn = sorted((n, i) for indices in kinds.values() for n, i in enumerate(indices))
    return whole.select(sorted(i for _, i in in_turn[: arguments.prompts]))


def _plan(space: SearchSpace, n: int, seed: int) -> Iterator[tuple[str, Configuration]]:
    """The default, then in turn one near it and one from anywhere."""
    rng = np.random.default_rng(seed)
    yield "default", space.default
    default = space.encode([space.default])
    for i in range(n):
        near = space.mutate(default, rng, changes=1 + i // 2 % 4)
        anywhere = space.sample(1, rng)
        code = anywhere if i % 2 else near
        yield ("anywhere" if i % 2 else "near"), space.decode(code)[0]


class Bench:
    """Measures configurations of a space on the prompts of a task."""

    def __init__(
        self, engine: TransformersEngine, space: SearchSpace, task: Task, cap: float, enough: float
    ) -> None:
        self.engine, self.space, self.task, self.enough = engine, space, task, enough
        self.metering, self.memory = Metering(), Memory()
        self.protocol = MeasurementProtocol(
            max_seconds=cap, warmup_seconds=0.0, min_repeats=1, max_repeats=2
        )
        self.began = 0.0

    def row(self, drawn: str, configuration: Configuration) -> Row:
        """One configuration on all prompts."""
        return self._measured(drawn, configuration, self.task)

    def reference(self, n: int) -> Row:
        """The default on the first prompts."""
        return self._measured("reference", self.space.default, self.task.select(range(n)))

    def _measured(self, drawn: str, configuration: Configuration, task: Task) -> Row:
        at_s = time.time()
        found = measure(
            self.engine,
            self.metering,
            self.space.arguments(configuration),
            task,
            self.protocol,
            on_phase=self._note_repeat,
            early=EarlyEnd(dominated=self._ends),
            memory=self.memory if drawn != "reference" else None,
        )
        return Row(
            drawn=drawn,
            configuration=configuration,
            values=tuple(_value(found, name) for name in METRICS),
            sems=tuple(_sem(found, name) for name in METRICS),
            setup_s=found.setup_seconds,
            run_s=found.seconds - found.setup_seconds,
            prompts=len(found.scores),
            of=len(task),
            at_s=at_s,
            busy=_busy(found),
            note=str(found.failure.cause) if found.failure else "",
        )

    def _note_repeat(self, phase: object) -> None:
        if isinstance(phase, Repeat):
            self.began = time.monotonic()

    def _ends(self, measurement: Measurement) -> str | None:
        return "took long enough" if time.monotonic() - self.began > self.enough else None


def _busy(found: Measurement) -> float:
    """Processors that the engine had on average in the windows, by its estimated energy."""
    if found.energy is None or "energy_j" not in found.metrics:
        return 1.0
    watts = found.metrics["energy_j"].value / found.energy.window_s
    return watts / found.energy.parameters["watts_per_core"]


def _value(found: Measurement, name: str) -> float | None:
    return found.metrics[name].value if name in found.metrics else None


def _sem(found: Measurement, name: str) -> float | None:
    return found.metrics[name].sem if name in found.metrics else None


def _append(path: Path, space: SearchSpace, row: Row) -> None:
    names = [p.name for p in space.parameters]
    path.parent.mkdir(parents=True, exist_ok=True)
    is_new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if is_new:
            writer.writerow([*names, *COLUMNS])
        cells = [row.configuration.get(name, "") for name in names]
        writer.writerow([*cells, *row.cells()])


if __name__ == "__main__":
    main()
