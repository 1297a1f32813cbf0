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
ended. Configurations that take all processors are measured while nothing else runs, as far as that
happens, and at last what was disturbed is measured again. Every few rows the default is measured on
the first prompts, with as many threads as the row that follows: these rows (`reference` in the
column `drawn`) tell how steady the machine was. The column `foreign` is the share of the processors
that others took meanwhile; of repeated rows the least disturbed one counts.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
from measured_tables import COLUMNS, METRICS, Row, read_rows, undisturbed

from tuner.engines.transformers_engine import TransformersEngine
from tuner.engines.worker import WorkerLimits
from tuner.measure import Measurement, MeasurementProtocol, Memory, Metering, Repeat, measure
from tuner.run.resolved_space import ResolvedSpace
from tuner.space import Configuration, SearchSpace
from tuner.study import StudySpec
from tuner.tasks import Task, builtin_task, read_task

REFERENCE_EVERY = 6
"""Rows from one reference to the next."""
QUIET, HALF_QUIET = 0.15, 0.5
"""What others may take of the processors while a row is measured with all threads, or with one."""
MOST_TRIES = 3
"""So often is a row measured that is disturbed again and again."""
PATIENCE_S = 60
"""So long may it take until the machine is quiet."""

Planned = tuple[str, Configuration]
"""A configuration and how it was drawn."""


def main() -> None:
    arguments = _arguments()
    os.nice(arguments.nice)
    space = _space(arguments)
    task = _task(arguments)
    with TransformersEngine(limits=WorkerLimits(run_s=arguments.give_up)) as engine:
        bench = Bench(engine, space, task, arguments.cap, arguments.repeat_below)
        rows = read_rows(arguments.out) if arguments.out.exists() else []
        left = _left(space, rows, arguments)
        for n in itertools.count():
            if not (left or (left := _disturbed(rows))):
                return
            drawn, configuration = _next(left)
            if n % REFERENCE_EVERY == 0:
                reference = bench.reference(configuration, arguments.reference_prompts)
                _append(arguments.out, space, reference)
            row = bench.row(drawn, configuration)
            rows.append(row)
            _append(arguments.out, space, row)
            numbers = " ".join("-" if x is None else f"{x:9.4g}" for x in row.values)
            print(
                f"{len(rows):4} {drawn:8} {row.seconds:6.1f} s, others {row.foreign:4.0%}, "
                f"{row.prompts} prompts: {numbers} {row.note}",
                flush=True,
            )


def _left(space: SearchSpace, rows: list[Row], arguments: argparse.Namespace) -> list[Planned]:
    """What is planned and not measured yet."""
    known = {row.configuration for row in rows if row.drawn != "reference"}
    planned = {c: (drawn, c) for drawn, c in _plan(space, arguments.rows, arguments.seed)}
    return [one for c, one in planned.items() if c not in known]


def _disturbed(rows: list[Row]) -> list[Planned]:
    """What has to be measured again: one thread bears more company than all of them."""
    return [
        (row.drawn, row.configuration)
        for row in undisturbed(rows)
        if row.foreign > (QUIET if _takes_all(row.configuration) else HALF_QUIET)
        and sum(other.configuration == row.configuration for other in rows) < MOST_TRIES
    ]


def _next(left: list[Planned]) -> Planned:
    """The next one: with all threads while the machine is quiet, else with one.

    Where only the former are left, it waits some time for others to end.
    """
    for _ in range(PATIENCE_S):
        load = Load()
        time.sleep(1.0)
        quiet = load.foreign() < QUIET
        suited = [one for one in left if _takes_all(one[1]) == quiet]
        if suited or quiet:
            break
    chosen = (suited or left)[0]
    left.remove(chosen)
    return chosen


def _takes_all(configuration: Configuration) -> bool:
    return configuration["threads"] == psutil.cpu_count()


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
    """The space as `tune run --model MODEL` has it here, but for the numbers of tokens."""
    spec = StudySpec.of(models=(arguments.model,), task=arguments.task)
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


def _plan(space: SearchSpace, n: int, seed: int) -> Iterator[Planned]:
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

    def reference(self, beside: Configuration, n: int) -> Row:
        """The default on the first prompts, with as many threads as another configuration has."""
        configuration = self.space.configuration({"threads": beside["threads"]})
        return self._measured("reference", configuration, self.task.select(range(n)))

    def _measured(self, drawn: str, configuration: Configuration, task: Task) -> Row:
        at_s, load = time.time(), Load()
        found = measure(
            self.engine,
            self.metering,
            self.space.arguments(configuration),
            task,
            self.protocol,
            on_phase=self._note_repeat,
            dominated=self._ends,
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
            foreign=load.foreign(),
            note=str(found.failure.cause) if found.failure else "",
        )

    def _note_repeat(self, phase: object) -> None:
        if isinstance(phase, Repeat):
            self.began = time.monotonic()

    def _ends(self, measurement: Measurement) -> str | None:
        return "took long enough" if time.monotonic() - self.began > self.enough else None


class Load:
    """The processor time that this process with its children takes, and others, from now on."""

    def __init__(self) -> None:
        self._busy, self._own, self._at_s = _busy_s(), _own_s(), time.monotonic()

    def foreign(self) -> float:
        """The share of all processors that others took since."""
        others = _busy_s() - self._busy - (_own_s() - self._own)
        return max(0.0, others / (time.monotonic() - self._at_s) / psutil.cpu_count())


def _busy_s() -> float:
    times = psutil.cpu_times()
    return sum(times[:3]) + times.irq + times.softirq + times.steal


def _own_s() -> float:
    me = psutil.Process()
    return sum(sum(p.cpu_times()[:2]) for p in [me, *me.children(recursive=True)])


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
