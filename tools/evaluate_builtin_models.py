"""Measure the built-in models on held-out problems and write their model card.

`python tools/evaluate_builtin_models.py --models DIR` puts every number of the card there itself.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from tuner.builtin_models import BUILTIN, model_path
from tuner.builtin_models.problems import KINDS, Problem, final_answer, problems

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

CARD_PROBLEMS = 800
"""How many problems of the split `verify` (seed 0) the card's accuracies are measured on."""

SUBSET = 200
"""The first so many of them are counted apart, for a quick check of the card."""

DECODINGS: dict[str, dict[str, Any]] = {
    "greedy (default)": {},
    "4 beams": {"num_beams": 4},
    "temperature 0.7": {"do_sample": True, "temperature": 0.7},
    "temperature 1": {"do_sample": True, "temperature": 1.0},
    "temperature 1, top-p 0.9": {"do_sample": True, "temperature": 1.0, "top_p": 0.9},
    "temperature 1, top-k 3": {"do_sample": True, "temperature": 1.0, "top_k": 3},
    "temperature 1.5": {"do_sample": True, "temperature": 1.5},
    "repetition penalty 1.1": {"repetition_penalty": 1.1},
    "repetition penalty 1.2": {"repetition_penalty": 1.2},
    "no repeated 3-grams": {"no_repeat_ngram_size": 3},
    "at most 12 new tokens": {"max_new_tokens": 12},
}
"""The decodings whose accuracy the card tells, as changes of the greedy default."""


@dataclass(frozen=True)
class Accuracy:
    """How many problems of each kind were solved, of how many."""

    solved: dict[str, int]
    asked: dict[str, int]
    solved_of_subset: int
    """Solved among the first `SUBSET` problems."""

    @property
    def rate(self) -> float:
        """The share of problems solved, over all kinds."""
        return sum(self.solved.values()) / sum(self.asked.values())


def load(folder: Path) -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    """Load a model in float32 and its tokenizer from a folder, without any network."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
    return model.eval(), AutoTokenizer.from_pretrained(folder, local_files_only=True)


def complete(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    prompts: Sequence[str],
    **decoding: Any,
) -> list[str]:
    """Return the completion of each prompt, generated in one batch."""
    inputs = tokenizer(list(prompts), return_tensors="pt", padding=True)
    with torch.inference_mode():
        output = model.generate(**inputs, **decoding)
    new = output[:, inputs["input_ids"].shape[1] :]
    return list(tokenizer.batch_decode(new, skip_special_tokens=True))


def evaluate(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    asked: Sequence[Problem],
    *,
    batch: int = 100,
    seed: int = 0,
    **decoding: Any,
) -> Accuracy:
    """Count the problems that a model solves under a decoding; sampling is seeded."""
    torch.manual_seed(seed)
    right: list[Problem] = []
    subset = 0
    for start in range(0, len(asked), batch):
        chunk = asked[start : start + batch]
        completions = complete(model, tokenizer, [p.prompt for p in chunk], **decoding)
        for i, (problem, completion) in enumerate(zip(chunk, completions, strict=True), start):
            if final_answer(completion) == problem.answer:
                right.append(problem)
                subset += i < SUBSET
    solved, total = (Counter(p.kind for p in group) for group in (right, asked))
    return Accuracy({kind: solved[kind] for kind in total}, dict(total), subset)


def write_card(folder: Path) -> None:
    """Evaluate the models in a folder of sizes; write `evaluation.json` and `README.md` there."""
    asked = problems("verify", 0, CARD_PROBLEMS)
    results: dict[str, dict[str, Accuracy]] = {}
    parameters: dict[str, int] = {}
    for name in BUILTIN:
        model, tokenizer = load(folder / name)
        parameters[name] = model.num_parameters()
        results[name] = {
            label: evaluate(model, tokenizer, asked, **decoding)
            for label, decoding in DECODINGS.items()
        }
    record = {
        name: {label: asdict(accuracy) for label, accuracy in by_decoding.items()}
        for name, by_decoding in results.items()
    }
    (folder / "evaluation.json").write_text(json.dumps(record, indent=1) + "\n")
    training = {n: json.loads((folder / n / "training.json").read_text()) for n in BUILTIN}
    (folder / "README.md").write_text(_card(parameters, training, results))


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _card(
    parameters: dict[str, int],
    training: dict[str, dict[str, dict[str, Any]]],
    results: dict[str, dict[str, Accuracy]],
) -> str:
    recipe = training[BUILTIN[0]]["recipe"]
    sizes = _table(
        ["", *BUILTIN],
        [
            ["parameters", *(f"{parameters[n]:,}" for n in BUILTIN)],
            *(
                [label, *(form.format(training[n]["result"][key]) for n in BUILTIN)]
                for label, key, form in (
                    ("steps", "steps", "{:,}"),
                    ("problems seen", "problems", "{:,}"),
                    ("tokens seen, with padding", "tokens", "{:,}"),
                    ("last loss (nats per token)", "loss", "{:.4f}"),
                    ("minutes on one shared core", "minutes", "{:.1f}"),
                )
            ),
        ],
    )
    greedy = next(iter(DECODINGS))
    kinds = _table(
        ["kind", *BUILTIN],
        [
            [
                kind,
                *(
                    f"{100 * a.solved[kind] / a.asked[kind]:.1f}"
                    for a in (results[n][greedy] for n in BUILTIN)
                ),
            ]
            for kind in KINDS
        ],
    )
    decodings = _table(
        ["decoding", *BUILTIN],
        [[d, *(f"{100 * results[n][d].rate:.1f}" for n in BUILTIN)] for d in DECODINGS],
    )
    return _CARD.format(
        sizes=sizes,
        kinds=kinds,
        decodings=decodings,
        problems=CARD_PROBLEMS,
        examples="\n".join(
            f"{p.kind:<8} {p.prompt:<40} {p.completion}" for p in problems("tune", 0, len(KINDS))
        ),
        **recipe,
    )


_CARD = """# The built-in models

Three decoder-only Llamas that learnt, from scratch, to solve generated problems. They come with
the tuner so that it has a real language model to tune on any machine, without a download. They
are no assistants: they know these problems and nothing else.

Rebuild them and this card with one command (`--compile` makes it faster where there is a C++
compiler): `python tools/train_builtin_models.py --size all --out DIR`

## Data

Problems of eight kinds in equal shares, made by `tuner/builtin_models/problems.py`. One line each:
kind, prompt, completion.

```
{examples}
```

A completion is the answer, or working, `=` and the answer; what counts is the text after the last
`=`. A problem belongs to the split that the SHA-256 of its prompt says: 90 % train, 5 % tune,
5 % verify. The models were trained on the first alone.

## Training

One token per character, seed {seed}, {batch} problems a step, Muon for the matrices of the layers
(learning rate {matrix_rate}), AdamW for the rest ({other_rate}), {warmup} steps of warm-up, then
linear decay to zero; bfloat16 arithmetic. Label smoothing of {smoothing} leaves the models a tail
of unlikely tokens, and the loss a part that no model can learn away. All sizes saw the same
problems in the same order, the larger ones more of them.

Afterwards the output layer is shifted so that the logarithm of the summed exponentials of the
logits is about {level}. No probability changes, but repetition penalties, which divide logits, act
as they do on large models instead of hardly at all.

{sizes}

The weights are stored in float16 and meant to be run in float32.

## Accuracy

Problems solved, in per cent, of {problems} held-out ones (split verify, seed 0), float32.

By kind, greedy:

{kinds}

By decoding, all kinds (sampling untruncated unless said: there are fewer tokens than the engine's
default `top_k` of 50):

{decodings}
"""


def main(arguments: list[str] | None = None) -> None:
    """Write the card of the models in a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path, default=model_path("small").parent)
    write_card(parser.parse_args(arguments).models)


if __name__ == "__main__":
    main()
