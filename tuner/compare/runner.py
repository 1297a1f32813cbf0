"""A comparison of samplers on a live engine, from what a user asks for to the folder with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from tuner.compare.entrant import Entrant
from tuner.compare.outcome import ComparisonResult, comparison_result
from tuner.compare.turns import SamplerComparison, SamplerTurn, TurnFinished
from tuner.run.notes import estimated_energy, redundant_objectives
from tuner.run.objectives import objectives_of
from tuner.run.setup import set_up
from tuner.study import Event, Notice, Started, StudySpec
from tuner.study.storage import locked, open_folder

INTERRUPTED = "it was interrupted"


def run_comparison(
    spec: StudySpec,
    samplers: Sequence[str],
    seeds: int,
    out: Path | None,
    observe: Callable[[Event | SamplerTurn | TurnFinished], None] = lambda event: None,
) -> ComparisonResult:
    """Compare samplers on what a study would measure, by its protocol, or go on with that.

    All take turns, measurements are shared (`tuner.compare.turns`), and every trial is in
    `out/comparison.db`, one study of Optuna for each sampler and seed. An interruption ends it
    with what is there.

    Args:
        spec: what is measured; `max_trials` is for each sampler, `max_seconds` for all together.
        samplers: names out of `tuner.search.replay.SAMPLERS`.
        seeds: runs of each sampler.
        out: folder; None keeps nothing.
        observe: is told what goes on.

    Raises:
        UserError: for input that cannot be used.
        KeyboardInterrupt: before anything was measured.
    """
    objectives = objectives_of(spec)
    assert spec.max_trials is not None
    with ExitStack() as stack:
        setup = stack.enter_context(set_up(spec))
        if out is not None:
            open_folder(out, spec, "comparison-spec.json")
            stack.enter_context(locked(out))
        budget = min(spec.max_trials, setup.space.size)
        path = None if out is None else out / "comparison.db"
        comparison = SamplerComparison(
            setup.space,
            objectives,
            [
                Entrant(name, seed, setup.space, objectives, budget, path)
                for seed in range(seeds)
                for name in samplers
            ],
        )
        evaluator = setup.evaluator(comparison, (), (), observe)
        observe(Started(comparison.finished, setup.space.size))
        for notice in setup.notices:
            observe(Notice(notice))
        try:
            reason = comparison.run(evaluator.measure, observe, spec.max_seconds)
        except KeyboardInterrupt:
            if not comparison.taken:
                raise
            reason = INTERRUPTED
        return comparison_result(comparison, reason, [*setup.notices, *_notes(comparison)])


def _notes(comparison: SamplerComparison) -> list[str]:
    values = np.array([record.values for record in comparison.complete], dtype=float)
    first = next((r.measurement for r in comparison.complete if r.measurement), None)
    about_energy = any(o.kind == "energy" for o in comparison.objectives)
    notes = estimated_energy(first) if first and about_energy else []
    return [*notes, *redundant_objectives(comparison.objectives, values)]
