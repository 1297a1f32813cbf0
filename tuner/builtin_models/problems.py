"""The problems that the built-in models learn and are tuned on: seeded, graded exactly, held out.

A problem's completion is either its answer alone or written-out working, `=`, and the answer.
So the answer of any completion is the text after its last `=` (`final_answer`), and a problem is
solved when that text equals `Problem.answer`.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

Split = Literal["train", "tune", "verify"]

ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789 +-*=:"
"""Every character that occurs in a prompt or completion."""

LONGEST = 64
"""No prompt and completion together have more characters than this."""

_STRING_LETTERS = "abcdefgh"
_NAMES = ("tom", "ann", "max", "eva", "bob", "ida")
_THINGS = ("figs", "nuts", "cups", "pens", "hats", "eggs")


@dataclass(frozen=True)
class Problem:
    """One problem: what the model is shown and what it should say."""

    prompt: str
    """The text to continue; ends with `:`."""
    completion: str
    """The right continuation: working and answer."""
    kind: str
    """The name of its generator, one of `KINDS`."""

    @property
    def answer(self) -> str:
        """The reference answer: the completion without its working."""
        return final_answer(self.completion)


def final_answer(completion: str) -> str:
    """Return what a completion gives as its answer: the text after the last `=`, stripped."""
    return completion.rpartition("=")[2].strip()


def split_of(prompt: str) -> Split:
    """Return the split that a prompt belongs to: 90 % train, 5 % tune, 5 % verify.

    The split is a function of the prompt's text (its SHA-256), so that no prompt is in two splits
    whatever seed or number of problems is asked for.
    """
    bucket = int.from_bytes(hashlib.sha256(prompt.encode()).digest()[:4], "big") % 100
    return "tune" if bucket < 5 else "verify" if bucket < 10 else "train"


def problems(
    split: Split, seed: int, n: int, kinds: tuple[str, ...] | None = None
) -> list[Problem]:
    """Return `n` different problems of a split, the kinds in turn.

    The same arguments give the same problems, and a larger `n` only adds to them.

    Raises:
        ValueError: an unknown split or kind, or `n` below 0.
    """
    if split not in get_args(Split):
        raise ValueError(f"unknown split {split!r}; there are {', '.join(get_args(Split))}")
    if n < 0:
        raise ValueError(f"the number of problems must be at least 0, not {n}")
    wanted = tuple(KINDS) if kinds is None else kinds
    if not wanted or not set(wanted) <= set(KINDS):
        raise ValueError(f"kinds must be some of {', '.join(KINDS)}, not {kinds!r}")
    seen: set[str] = set()
    found: list[Problem] = []
    for problem in stream(split, seed, wanted):
        if len(found) == n:
            break
        if problem.prompt not in seen:
            seen.add(problem.prompt)
            found.append(problem)
    return found


def stream(split: Split, seed: int, kinds: tuple[str, ...]) -> Iterator[Problem]:
    """Yield problems of a split without end, the kinds in turn; a problem may come again."""
    rng = random.Random(f"{split}/{seed}")
    while True:
        for kind in kinds:
            yield next(p for p in _draws(kind, rng) if split_of(p.prompt) == split)


def write_jsonl(path: Path, chosen: list[Problem]) -> None:
    """Write problems as JSON lines with `prompt`, `answer`, `grader` and `kind`.

    The grader `final` compares the text after the last `=` of a completion with `answer`.
    """
    records = (
        {"prompt": p.prompt, "answer": p.answer, "grader": "final", "kind": p.kind} for p in chosen
    )
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")


def _draws(kind: str, rng: random.Random) -> Iterator[Problem]:
    while True:
        prompt, completion = KINDS[kind](rng)
        yield Problem(prompt, completion, kind)


def _letters(rng: random.Random, shortest: int, longest: int) -> str:
    return "".join(rng.choices(_STRING_LETTERS, k=rng.randint(shortest, longest)))


def _add(rng: random.Random) -> tuple[str, str]:
    """Add column by column from the right: each column's sum with the carry into it."""
    digits = rng.randint(3, 6)
    a, b = (rng.randrange(10 ** (digits - 1), 10**digits) for _ in range(2))
    carry, columns = 0, []
    for place in range(digits):
        column = a // 10**place % 10 + b // 10**place % 10 + carry
        carry = column // 10
        columns.append(f"{column:02d}")
    return f"add {a}+{b}:", f"{' '.join(columns)}={a + b}"


def _sort(rng: random.Random) -> tuple[str, str]:
    text = _letters(rng, 6, 14)
    return f"sort {text}:", "".join(sorted(text))


def _reverse(rng: random.Random) -> tuple[str, str]:
    text = _letters(rng, 6, 14)
    return f"reverse {text}:", text[::-1]


def _replace(rng: random.Random) -> tuple[str, str]:
    text = _letters(rng, 8, 16)
    old, new = rng.sample(_STRING_LETTERS, 2)
    return f"replace {old} by {new} in {text}:", text.replace(old, new)


def _repeat(rng: random.Random) -> tuple[str, str]:
    text, times = _letters(rng, 3, 6), rng.randint(2, 5)
    return f"repeat {text} {times} times:", text * times


def _count(rng: random.Random) -> tuple[str, str]:
    """Count a letter by walking through the text with the count so far."""
    text, letter = _letters(rng, 6, 14), rng.choice(_STRING_LETTERS)
    walk = "".join(f"{c}{text[: i + 1].count(letter)}" for i, c in enumerate(text))
    return f"count {letter} in {text}:", f"{walk}={text.count(letter)}"


def _word(rng: random.Random) -> tuple[str, str]:
    """One step of arithmetic in a story: more, fewer or several times as many."""
    name, thing = rng.choice(_NAMES), rng.choice(_THINGS)
    a, b = rng.randint(2, 50), rng.randint(2, 50)
    story = rng.choice(("more", "fewer", "times"))
    if story == "more":
        return f"{name} had {a} {thing} and got {b} more:", f"{a}+{b}={a + b}"
    if story == "fewer":
        a, b = max(a, b), min(a, b)
        return f"{name} had {a} {thing} and lost {b}:", f"{a}-{b}={a - b}"
    a, b = rng.randint(2, 9), rng.randint(2, 12)
    return f"{name} got {a} bags of {b} {thing}:", f"{a}*{b}={a * b}"


def _pick(rng: random.Random) -> tuple[str, str]:
    """Find the only two of four numbers that have the given sum."""
    while True:
        numbers = rng.sample(range(1, 25), 4)
        i, j = sorted(rng.sample(range(4), 2))
        total = numbers[i] + numbers[j]
        pairs = sum(x + y == total for k, x in enumerate(numbers) for y in numbers[k + 1 :])
        if pairs == 1:
            listed = " ".join(map(str, numbers))
            return f"pick {total} from {listed}:", f"{total}={numbers[i]}+{numbers[j]}"


KINDS: dict[str, Callable[[random.Random], tuple[str, str]]] = {
    "add": _add,
    "sort": _sort,
    "reverse": _reverse,
    "replace": _replace,
    "repeat": _repeat,
    "count": _count,
    "word": _word,
    "pick": _pick,
}
"""Every kind of problem with its generator of (prompt, completion)."""
