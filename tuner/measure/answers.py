"""Graded answers: each text graded once, and shared by configurations that answer alike."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tuner.measure.passes import Grade, Pass
from tuner.workloads import Work

_SAMPLE = 8
"""So many answers at least have to be equal before others are taken for equal."""

_SAME_LENGTH = 0.05


@dataclass(frozen=True)
class Answer:
    """An answer to one request: its text, its tokens and its score."""

    text: str
    n_tokens: int
    score: float


@dataclass(frozen=True)
class Reuse:
    """What earlier answers give to a configuration that cannot answer otherwise.

    Attributes:
        scores: of requests that it has not answered itself, by their index.
        note: why there are none although there were earlier answers, or what was taken.
        warning: what makes its times and energies incomparable.

    """

    scores: Mapping[int, float] = field(default_factory=dict)
    note: str = ""
    warning: str = ""


class Answers:
    """The graded answers of a study."""

    def __init__(self) -> None:
        self._scores: dict[tuple[int, str], float] = {}
        self._known: dict[Hashable, dict[int, Answer]] = {}

    def grader(self, work: Work) -> Grade:
        """The work's grading, less the answers that were graded before."""

        def grade(indices: Sequence[int], texts: Sequence[str]) -> tuple[float, ...] | None:
            answers = list(zip(indices, texts, strict=True))
            new = [answer for answer in dict.fromkeys(answers) if answer not in self._scores]
            if new:
                scores = work.select([i for i, _ in new]).grade([text for _, text in new])
                if scores is None:
                    return None
                self._scores.update(zip(new, scores, strict=True))
            return tuple(self._scores[answer] for answer in answers)

        return grade

    def knows_the_rest(self, key: Hashable, passes: Iterable[Pass], n_prompts: int) -> bool:
        """Whether `reuse` would have the scores of all prompts that the passes leave out."""
        known = self._known.get(key, {})
        mine = {
            index: completion.text
            for one in passes
            for index, completion in zip(one.indices, one.completions, strict=True)
        }
        both = mine.keys() & known.keys()
        return (
            len(both) >= min(_SAMPLE, n_prompts)
            and len(mine.keys() | known.keys()) >= n_prompts
            and all(mine[index] == known[index].text for index in both)
        )

    def reuse(self, key: Hashable, passes: Iterable[Pass]) -> Reuse:
        """Compare a configuration's answers with earlier ones of the same key, and add to them.

        They are reused where all that both have answered are equal to the letter.
        """
        mine: dict[int, Answer] = {}
        for one in passes:
            for index, c, score in zip(
                one.indices, one.completions, one.scores or (), strict=False
            ):
                answer = Answer(c.text, c.n_output_tokens, score)
                if mine.setdefault(index, answer).text != answer.text:
                    return Reuse(note="it answers the same request in different ways: none reused")
        known = self._known.setdefault(key, {})
        both = [index for index in mine if index in known]
        other = sum(mine[index].text != known[index].text for index in both)
        if other:
            note = (
                f"{other} of {len(both)} answers differ from those of a configuration that the "
                "space says answers alike, so none were reused"
            )
            return Reuse(
                note=note, warning=_lengths([mine[i] for i in both], [known[i] for i in both])
            )
        missing = {i: answer.score for i, answer in known.items() if i not in mine}
        if not known or len(both) >= min(_SAMPLE, len(known)):
            self._known[key] = {**mine, **known}
            note = f"{len(missing)} graded answers are those of another configuration, "
            note += f"{len(both)} of whose answers were found equal"
            return Reuse(missing, note if missing else "")
        return Reuse()


def _lengths(mine: Sequence[Answer], known: Sequence[Answer]) -> str:
    ours, theirs = (sum(answer.n_tokens for answer in one) for one in (mine, known))
    if abs(ours - theirs) <= _SAME_LENGTH * max(theirs, 1):
        return ""
    return (
        f"its answers have {ours} tokens where those of a configuration that the space says "
        f"answers alike have {theirs}: times and energies cannot be compared request by request"
    )
