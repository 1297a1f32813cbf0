"""How much time, CPU time and accuracy each knob costs on the built-in models.

Settings are run interleaved: one round runs every setting once, in a random order, so that a busy
moment of the machine hits all of them alike. The table has medians and quartiles over the rounds,
each per problem, and the median's ratio to the default's of the same rounds.

    python benchmarks/model_dependencies.py --rounds 9
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tuner.builtin_models import final_answer, model_path, problems


@dataclass(frozen=True)
class Setting:
    """One change of the default: the large model, float32, one thread, batches of 8, greedy."""

    label: str
    model: str = "large"
    dtype: torch.dtype = torch.float32
    threads: int = 1
    batch: int = 8
    decoding: dict[str, Any] = field(default_factory=dict)


SETTINGS = (
    Setting("default"),
    Setting("model base", model="base"),
    Setting("model small", model="small"),
    Setting("bfloat16", dtype=torch.bfloat16),
    Setting("float16", dtype=torch.float16),
    Setting("2 threads", threads=2),
    Setting("batch 1", batch=1),
    Setting("batch 32", batch=32),
    Setting("batch 32, 2 threads", batch=32, threads=2),
    Setting("2 beams", decoding={"num_beams": 2}),
    Setting("4 beams", decoding={"num_beams": 4}),
    Setting("no cache", decoding={"use_cache": False}),
    Setting("static cache", decoding={"cache_implementation": "static"}),
    Setting("prompt lookup 4, batch 1", batch=1, decoding={"prompt_lookup_num_tokens": 4}),
    Setting("sampling at 1", decoding={"do_sample": True, "temperature": 1.0}),
    Setting("at most 12 new tokens", decoding={"max_new_tokens": 12}),
)


@dataclass(frozen=True)
class Run:
    """What one setting cost in one round: seconds per problem, and the share solved."""

    wall: float
    cpu: float
    accuracy: float


def measure(setting: Setting, model: Any, tokenizer: Any, asked: list[Any]) -> Run:
    torch.set_num_threads(setting.threads)
    wall, cpu, solved = time.perf_counter(), time.process_time(), 0
    for start in range(0, len(asked), setting.batch):
        chunk = asked[start : start + setting.batch]
        inputs = tokenizer([p.prompt for p in chunk], return_tensors="pt", padding=True)
        with torch.inference_mode():
            output = model.generate(**inputs, **setting.decoding)
        texts = tokenizer.batch_decode(
            output[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True
        )
        solved += sum(final_answer(t) == p.answer for t, p in zip(texts, chunk, strict=True))
    n = len(asked)
    return Run((time.perf_counter() - wall) / n, (time.process_time() - cpu) / n, solved / n)


def _quartiles(values: list[float]) -> str:
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return f"{1e3 * middle:7.2f} [{1e3 * low:7.2f}, {1e3 * high:7.2f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--problems", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    asked = problems("tune", given.seed, given.problems)
    rng = random.Random(given.seed)
    rng.shuffle(asked)
    models = {
        (s.model, s.dtype): AutoModelForCausalLM.from_pretrained(
            model_path(s.model), dtype=s.dtype, local_files_only=True
        ).eval()
        for s in SETTINGS
    }
    tokenizer = AutoTokenizer.from_pretrained(model_path("large"), local_files_only=True)
    runs: dict[str, list[Run]] = {s.label: [] for s in SETTINGS}
    order = list(SETTINGS)
    torch.manual_seed(given.seed)
    for round_ in range(given.rounds + 1):
        rng.shuffle(order)
        for setting in order:
            run = measure(setting, models[setting.model, setting.dtype], tokenizer, asked)
            if round_:  # the first round warms up
                runs[setting.label].append(run)
    print(f"{given.problems} problems, {given.rounds} rounds, ms per problem")
    print(
        f"{'setting':<26}{'wall [quartiles]':>27}{'ratio':>7}{'CPU [quartiles]':>27}{'ratio':>7}"
        f"{'solved %':>10}"
    )
    default = runs["default"]
    for label, done in runs.items():
        wall, cpu = [r.wall for r in done], [r.cpu for r in done]
        ratios = [
            statistics.median(
                getattr(r, what) / getattr(d, what) for r, d in zip(done, default, strict=True)
            )
            for what in ("wall", "cpu")
        ]
        solved = 100 * statistics.median(r.accuracy for r in done)
        print(
            f"{label:<26}{_quartiles(wall):>27}{ratios[0]:>7.2f}{_quartiles(cpu):>27}"
            f"{ratios[1]:>7.2f}{solved:>10.1f}"
        )


if __name__ == "__main__":
    main()
