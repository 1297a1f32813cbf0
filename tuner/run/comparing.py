"""A comparison of samplers on a live engine, from what a user asks for to the folder with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from tuner.run.notes import estimated_energy, in_disguise
from tuner.run.objectives import objectives_of
from tuner.run.setup import set_up
from tuner.study import Event, Noticed, Started, StudySpec
from tuner.study.compared import Compared, compared
from tuner.study.comparison import Comparison, Turn, TurnTaken
from tuner.study.contestant import Contestant
from tuner.study.storage import locked, open_folder

INTERRUPTED = "it was interrupted"


def run_comparison(
    spec: StudySpec,
    samplers: Sequence[str],
    seeds: int,
    out: Path | None,
    observe: Callable[[Event | Turn | TurnTaken], None] = lambda event: None,
) -> Compared:
    """Compare samplers on what a study would measure, by its protocol, or go on with that.

    All take turns, measurements are shared (`tuner.study.comparison`), and every trial is in
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
        comparison = Comparison(
            setup.space,
            objectives,
            [
                Contestant(name, seed, setup.space, objectives, budget, path)
                for seed in range(seeds)
                for name in samplers
            ],
        )
        evaluator = setup.evaluator(comparison, (), observe)
        observe(Started(comparison.told, setup.space.size))
        for notice in setup.notices:
            observe(Noticed(notice))
        try:
            reason = comparison.run(evaluator.measure, observe, spec.max_seconds)
        except KeyboardInterrupt:
            if not comparison.taken:
                raise
            reason = INTERRUPTED
        return compared(comparison, reason, [*setup.notices, *_notes(comparison)])


def _notes(comparison: Comparison) -> list[str]:
    values = np.array([record.values for record in comparison.complete], dtype=float)
    first = next((r.measurement for r in comparison.complete if r.measurement), None)
    about_energy = any(o.kind == "energy" for o in comparison.objectives)
    notes = estimated_energy(first) if first and about_energy else []
    return [*notes, *in_disguise(comparison.objectives, values)]
