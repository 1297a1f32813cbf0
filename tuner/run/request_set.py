"""What an engine is asked in a study: graded prompts, a workload, or both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tuner.builtin_models.context import context_of
from tuner.builtin_models.counting import token_counter
from tuner.engines.model_source import is_gguf
from tuner.errors import UserError
from tuner.study import StudySpec
from tuner.tasks import Task, builtin_task, read_task
from tuner.workloads import Count, Work, exact_fill, read_workload
from tuner.workloads.prompt_synthesis import estimated_count

UNLIMITED = 1024
"""What servers let an answer have where a request says nothing."""


@dataclass(frozen=True)
class RequestSet:
    """The requests of a study.

    Attributes:
        work: what is asked while times and energy are taken.
        graded: prompts that are asked afterwards, for their answers alone; None where `work` is
            graded itself or nothing is.

    """

    work: Work
    graded: Task | None

    @property
    def task(self) -> Task | None:
        """The graded prompts, whenever they are asked."""
        return self.work if isinstance(self.work, Task) else self.graded


def longest_request(requests: RequestSet, model: str) -> int:
    """Tokens of the longest prompt with its answer, as far as the model takes them.

    An answer without a limit of its own counts with `UNLIMITED` tokens.
    """
    count, context = _counter(model), _context(model)
    graded = requests.graded.requests if requests.graded else ()
    everything = [*requests.work.requests, *graded]
    longest = max(count(r.prompt) + (r.max_tokens or UNLIMITED) for r in everything)
    return longest if context is None else min(longest, context)


def read_requests(spec: StudySpec, models: Sequence[str]) -> RequestSet:
    """Read task and workload of a study; `models` as `resolve_models` gives them.

    Prompts are written for the tokenizer of the first model, and no longer than its context.

    Raises:
        UserError: for files that cannot be read.
    """
    task = None
    if spec.task == "builtin":
        task = builtin_task(n=spec.n_prompts)
    elif spec.task is not None:
        task = read_task(Path(spec.task), allow_code=spec.allow_code)
    if spec.workload is None:
        if task is None:
            raise UserError("There is nothing to ask; name a task or a workload.")
        return RequestSet(task, None)
    known = models[0] if models else None
    work = read_workload(
        spec.workload,
        fill=exact_fill(_counter(known) if known else estimated_count),
        n=spec.n_requests,
        seed=spec.seed,
        scale=spec.scale,
        rate=spec.rate,
        context=_context(known) if known else None,
    )
    return RequestSet(work, task)


def _counter(model: str) -> Count:
    """How long a text is to a model; an estimate for GGUF files, which transformers cannot read."""
    return estimated_count if is_gguf(model) else token_counter(model)


def _context(model: str) -> int | None:
    return None if is_gguf(model) else context_of(model)
