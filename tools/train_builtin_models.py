"""Train the built-in models: `python tools/train_builtin_models.py --size all --out DIR`.

Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/) moves the matrices of the
layers, AdamW the rest; the forward pass runs in bfloat16 and the loss counts completions only.
Labels are smoothed, so that the models keep a tail of unlikely tokens as larger ones do: without
it sampling would never leave the greedy answer.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from evaluate_builtin_models import write_card

from tuner.builtin_models.architecture import SIZES, build_model
from tuner.builtin_models.problems import KINDS, Problem, stream
from tuner.builtin_models.tokens import build_tokenizer

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

_IGNORED = -100
"""The label of positions that the loss leaves out."""

_ROWS = 32
"""So many problems go through the model at once: more of them would overflow a core's cache."""

STEPS = {"small": 1200, "base": 1800, "large": 2500}
"""Steps by size: the larger a model, the longer its training pays, and the more it can learn."""

_MIX = (*KINDS, "add", "word", "pick")
"""Kinds in training; those with arithmetic, which take the longest to learn, come twice."""


@dataclass(frozen=True)
class Recipe:
    """What decides a training run besides the model's size."""

    steps: int
    batch: int = 64
    matrix_rate: float = 4e-3
    other_rate: float = 3e-3
    warmup: int = 50
    weight_decay: float = 0.01
    smoothing: float = 0.05
    level: float = 25.0
    seed: int = 0


@dataclass(frozen=True)
class Trained:
    """How a run went: losses are label-smoothed cross entropies per completion token, in nats."""

    steps: int
    problems: int
    tokens: int
    loss: float
    minutes: float


Batch = tuple[torch.Tensor, torch.Tensor]
"""Token ids and labels, both (problems, length), padded on the right."""


def batches(tokenizer: PreTrainedTokenizerFast, recipe: Recipe) -> Iterator[Batch]:
    """Yield training batches without end, problems of similar length together."""
    source = stream("train", recipe.seed, _MIX)
    order = torch.Generator().manual_seed(recipe.seed)
    grouped = 16
    while True:
        pool = sorted(
            islice(source, grouped * recipe.batch), key=lambda p: len(p.prompt + p.completion)
        )
        for i in torch.randperm(grouped, generator=order).tolist():
            yield _collate(tokenizer, pool[i * recipe.batch : (i + 1) * recipe.batch])


def _collate(tokenizer: PreTrainedTokenizerFast, chosen: list[Problem]) -> Batch:
    prompts = tokenizer([p.prompt for p in chosen])["input_ids"]
    completions = tokenizer([p.completion for p in chosen], add_special_tokens=False)["input_ids"]
    eos, pad = tokenizer.eos_token_id, tokenizer.pad_token_id
    length = max(len(a) + len(b) + 1 for a, b in zip(prompts, completions, strict=True))
    ids = torch.full((len(chosen), length), pad)
    labels = torch.full((len(chosen), length), _IGNORED)
    for row, (prompt, completion) in enumerate(zip(prompts, completions, strict=True)):
        whole = torch.tensor([*prompt, *completion, eos])
        ids[row, : len(whole)] = whole
        labels[row, len(prompt) : len(whole)] = whole[len(prompt) :]
    return ids, labels


def completion_loss(model: LlamaForCausalLM, batch: Batch, smoothing: float) -> torch.Tensor:
    """Return the summed smoothed cross entropy of the completions' tokens, in nats."""
    ids, labels = batch
    targets = labels[:, 1:].flatten()
    counted = targets != _IGNORED
    with torch.autocast("cpu", torch.bfloat16):
        # Causal attention never looks at padding on the right, so no mask is needed.
        hidden = model.model(ids[:, :-1]).last_hidden_state
        logits = model.lm_head(hidden.flatten(0, 1)[counted])
    return torch.nn.functional.cross_entropy(
        logits.float(), targets[counted], label_smoothing=smoothing, reduction="sum"
    )


def backward(model: LlamaForCausalLM, batch: Batch, smoothing: float) -> float:
    """Add the gradient of a batch's mean loss per token to the model's; return that loss."""
    ids, labels = batch
    counted = int((labels != _IGNORED).sum())
    total = 0.0
    for start in range(0, len(ids), _ROWS):
        rows = slice(start, start + _ROWS)
        loss = completion_loss(model, (ids[rows], labels[rows]), smoothing) / counted
        torch.autograd.backward(loss)
        total += loss.item()
    return total


def train(name: str, recipe: Recipe, *, compiled: bool = False) -> tuple[LlamaForCausalLM, Trained]:
    """Train one size of `SIZES` and tell how it went; prints progress to standard error."""
    torch.manual_seed(recipe.seed)
    model = build_model(SIZES[name])
    # Written-out attention is twice as fast here: the fused one is slow for bfloat16 on CPUs.
    model.set_attn_implementation("eager")
    if compiled:
        model.model.compile(dynamic=True)
    matrices = [p for p in model.model.layers.parameters() if p.ndim == 2]
    others = [p for p in model.parameters() if all(p is not m for m in matrices)]
    optimizers: tuple[torch.optim.Optimizer, ...] = (
        torch.optim.Muon(
            matrices,
            lr=recipe.matrix_rate,
            weight_decay=recipe.weight_decay,
            adjust_lr_fn="match_rms_adamw",
        ),
        torch.optim.AdamW(others, lr=recipe.other_rate, betas=(0.9, 0.98), weight_decay=0.0),
    )

    def rate(step: int) -> float:
        return min((step + 1) / recipe.warmup, (recipe.steps - step) / recipe.steps)

    schedules = [torch.optim.lr_scheduler.LambdaLR(o, rate) for o in optimizers]
    start, tokens, smooth = time.monotonic(), 0, 0.0
    model.train()
    for step, batch in enumerate(islice(batches(build_tokenizer(), recipe), recipe.steps), 1):
        loss = backward(model, batch, recipe.smoothing)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
        for schedule in schedules:
            schedule.step()
        model.zero_grad(set_to_none=True)
        tokens += batch[0].numel()
        # An exponential mean over about 50 steps tells more than the last batch alone.
        smooth += (loss - smooth) / min(step, 50)
        if step % 50 == 0 or step == recipe.steps:
            spent = time.monotonic() - start
            left = spent / step * (recipe.steps - step)
            print(
                f"{name} step {step}/{recipe.steps} loss {smooth:.4f} "
                f"{tokens / spent:.0f} tokens/s left {left / 60:.1f} min",
                file=sys.stderr,
                flush=True,
            )
    minutes = (time.monotonic() - start) / 60
    model.eval()
    return model, Trained(recipe.steps, recipe.steps * recipe.batch, tokens, smooth, minutes)


def level_logits(model: LlamaForCausalLM, recipe: Recipe) -> None:
    """Shift the logits until the logarithm of their exponentials' sum is about `recipe.level`.

    The same vector is added to every row of the output layer, so all logits of a position move
    together and no probability changes. But a repetition penalty divides logits, so it acts by
    where their zero lies, which training leaves open; here they lie as high as those of large
    models do. The vector is the least-squares fit over some training batches.
    """
    weight = model.lm_head.weight
    with torch.inference_mode():
        hidden = torch.cat(
            [
                model.model(ids).last_hidden_state[labels != _IGNORED]
                for ids, labels in islice(batches(build_tokenizer(), recipe), 16)
            ]
        )
        missing = recipe.level - torch.logsumexp(hidden @ weight.T, dim=-1)
        shift = torch.linalg.lstsq(hidden, missing[:, None]).solution[:, 0]
    with torch.no_grad():
        weight += shift


def save(model: LlamaForCausalLM, folder: Path, recipe: Recipe, trained: Trained) -> None:
    """Write weights in float16, configuration, tokenizer and `training.json`.

    The configuration still says float32: halves on disk are enough for these models, but they
    are meant to run in float32 unless something else is asked for.
    """
    model.to(torch.float16).save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    config["dtype"] = "float32"
    (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    build_tokenizer().save_pretrained(folder)
    facts = {"recipe": asdict(recipe), "result": asdict(trained)}
    (folder / "training.json").write_text(json.dumps(facts, indent=2) + "\n")


def main(arguments: list[str] | None = None) -> None:
    """Train, save and evaluate what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=(*SIZES, "all"), default="all")
    parser.add_argument("--out", type=Path, required=True, help="folder for the models")
    parser.add_argument("--seed", type=int, default=Recipe.seed)
    parser.add_argument("--steps", type=int, help=f"steps of every size; by default {STEPS}")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--compile", action="store_true", help="train 1.4 times as fast; needs a C++ compiler"
    )
    given = parser.parse_args(arguments)
    torch.set_num_threads(given.threads)
    for name in SIZES if given.size == "all" else (given.size,):
        recipe = Recipe(steps=given.steps or STEPS[name], seed=given.seed)
        model, trained = train(name, recipe, compiled=given.compile)
        level_logits(model, recipe)
        save(model, given.out / name, recipe, trained)
    if all((given.out / name).is_dir() for name in SIZES):
        write_card(given.out)


if __name__ == "__main__":
    main()
