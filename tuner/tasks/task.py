"""Prompts with reference answers, and their grading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tuner.tasks.graders import Grader
from tuner.tasks.named import grader_named
from tuner.workloads import Request


@dataclass(frozen=True)
class Prompt:
    """One request whose right answer is known.

    Attributes:
        prompt: what the model is given.
        answers: the reference answers; agreeing with any of them is right.
        grader: how a completion is compared with them: a name (see `grader_named`), or a function
            of completion and answer that gives a score in [0, 1].
        kind: what sort of problem it is, for tables; may be empty.

    """

    prompt: str
    answers: tuple[str, ...]
    grader: str | Grader = "normalised"
    kind: str = ""

    def grade(self, completion: str) -> float:
        """The best score in [0, 1] that the completion gets against any of the answers."""
        grader = grader_named(self.grader) if isinstance(self.grader, str) else self.grader
        return max(grader(completion, answer) for answer in self.answers)


@dataclass(frozen=True)
class Task:
    """What a model is asked, in the order in which it is asked.

    A configuration too slow for the whole task answers the first prompts only, so the order
    should not follow the difficulty (`read_task` shuffles).
    """

    name: str
    prompts: tuple[Prompt, ...]

    def __len__(self) -> int:
        return len(self.prompts)

    @property
    def requests(self) -> tuple[Request, ...]:
        """The prompts as the model is given them."""
        return tuple(Request(prompt.prompt) for prompt in self.prompts)

    def grade(self, completions: Sequence[str]) -> tuple[float, ...]:
        """Scores in [0, 1] of completions of the first `len(completions)` prompts."""
        if len(completions) > len(self.prompts):
            raise ValueError(f"{len(completions)} completions of {len(self.prompts)} prompts")
        return tuple(
            prompt.grade(text) for prompt, text in zip(self.prompts, completions, strict=False)
        )

    def select(self, indices: Sequence[int]) -> Task:
        """The task of some of the prompts."""
        return Task(self.name, tuple(self.prompts[i] for i in indices))
