"""From a configuration to a `Measurement`: alone, or interleaved with others."""

from __future__ import annotations

import random
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

from tuner.measure._run import Run
from tuner.measure.dominance import Dominated
from tuner.measure.engine_protocol import Engine, EngineFailure
from tuner.measure.measurement import Measurement
from tuner.measure.measurement_protocol import MeasurementProtocol
from tuner.measure.memory import Memory
from tuner.measure.metering import Metering
from tuner.measure.phase import InterleavedRound, OnPhase
from tuner.workloads import Work

if TYPE_CHECKING:
    from tuner.space.contract import Arguments


def measure(
    engine: Engine,
    metering: Metering,
    arguments: Arguments,
    work: Work,
    protocol: MeasurementProtocol | None = None,
    *,
    seed: int = 0,
    on_phase: OnPhase = lambda phase: None,
    dominated: Dominated | None = None,
    memory: Memory | None = None,
    answers_key: Hashable | None = None,
) -> Measurement:
    """Measure one configuration.

    Loads and warms up, then passes over the requests until the intervals are narrow enough, the
    time is up, or something else is known to be better, each pass with another sampling seed.

    Args:
        engine: runs it.
        metering: gives the meter for what it runs on; the caller's, who closes it.
        arguments: the configuration.
        work: what is asked.
        protocol: the rules; the usual ones by default.
        seed: of sampled answers.
        on_phase: is told what begins.
        dominated: ends the measurement between two passes, for instance `dominated_by(...)`. The
            measurement is valid, and says so in `notes`.
        memory: what earlier measurements of the study know; learns from this one.
        answers_key: equal for configurations that cannot but answer alike: all that may change the
            answers is in it. None where answers are sampled.

    Returns:
        the measurement; a configuration that the engine could not run gives one with `failure`.
    """
    protocol = protocol or MeasurementProtocol()
    rng = random.Random(seed)
    run = Run(engine, metering, arguments, work, protocol, rng, on_phase, memory)
    try:
        warm_s = run.set_up(min(protocol.warmup_seconds, protocol.max_seconds / 4))
        run.repeat(warm_s, dominated)
    except EngineFailure as failure:
        return run.failed(failure)
    return run.result(answers_key)


def measure_interleaved(
    engine: Engine,
    metering: Metering,
    configurations: Sequence[Arguments],
    work: Work,
    protocol: MeasurementProtocol | None = None,
    *,
    rounds: int,
    turns: int = 2,
    seed: int = 0,
    on_phase: OnPhase = lambda phase: None,
) -> list[Measurement]:
    """Measure several configurations in rounds, each once in every round.

    What slows a machine for longer than a round slows all configurations of the round, so that it
    cancels out in ratios of the same round (`compare`). A round goes through the configurations in
    random order with a part of the prompts, back with the next part, and so on, so that a drift
    within the round cancels out too, and a sudden change of speed nearly. The i-th repeat of each
    measurement is its i-th round; sampling seeds are shared within a turn. A configuration that
    fails takes no part in what follows.

    Args:
        engine: runs them.
        metering: gives the meters for what it runs on; the caller's, who closes it.
        configurations: to be compared.
        work: what is asked.
        protocol: the rules; the usual ones by default.
        rounds: repeats of each.
        turns: how often each has its turn in a round. More of them are better where speed changes
            suddenly, and dear where the engine starts anew for each change of configuration.
        seed: of the order, and of sampled answers.
        on_phase: is told what begins.

    Returns:
        a measurement for each configuration, in the order given.
    """
    protocol = protocol or MeasurementProtocol()
    rng = random.Random(seed)
    runs = [Run(engine, metering, a, work, protocol, rng, on_phase) for a in configurations]
    failures: dict[int, EngineFailure] = {}
    for number in range(rounds):
        order = list(range(len(runs)))
        rng.shuffle(order)
        seeds = [rng.getrandbits(31) for _ in range(turns)]
        in_force = None
        for turn in range(turns):
            for i in order if turn % 2 == 0 else reversed(order):
                if i in failures or runs[i].turn_is_empty(turn):
                    continue
                try:
                    if i != in_force:
                        runs[i].set_up(0.0 if number else protocol.warmup_seconds)
                    on_phase(InterleavedRound(number + 1, rounds, i + 1))
                    runs[i].run_slice(turn, turns, seeds[turn])
                    in_force = i
                except EngineFailure as failure:
                    failures[i], in_force = failure, None
    return [
        run.failed(failures[i]) if i in failures else run.result() for i, run in enumerate(runs)
    ]
