"""The shipped models: what the card says of them holds, and every knob truly matters.

Cost is counted, never timed: floating-point operations, passes through the model, bytes of
weights and threads that got work. `benchmarks/model_dependencies.py` measures the same in seconds.
"""

from __future__ import annotations

import json
import re
from functools import cache

import psutil
import pytest
import torch
from evaluate_builtin_models import (
    CARD_PROBLEMS,
    DECODINGS,
    SUBSET,
    complete,
    evaluate,
    load,
)
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModelForCausalLM, GenerationConfig

from tuner.builtin_models import BUILTIN, KINDS, model_path, problems

WEIGHTS = model_path("small").parent
ASKED = problems("tune", 0, 96)


@cache
def loaded(name):
    return load(model_path(name))


@cache
def recorded():
    return json.loads((WEIGHTS / "evaluation.json").read_text())


def recorded_rate(name, decoding):
    numbers = recorded()[name][decoding]
    return sum(numbers["solved"].values()) / sum(numbers["asked"].values())


@cache
def rate(name, decoding=(), seed=0):
    """Share of `ASKED` that a model solves under a decoding, given as a tuple of items."""
    return evaluate(*loaded(name), ASKED, seed=seed, **dict(decoding)).rate


def sampled(**knobs):
    return tuple({"do_sample": True, **knobs}.items())


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


# --- the files -------------------------------------------------------------------------------


def test_the_models_are_small_enough_to_ship_and_clearly_of_three_sizes():
    assert sum(p.stat().st_size for p in WEIGHTS.rglob("*") if p.is_file()) < 20e6
    small, base, large = (loaded(name)[0].num_parameters() for name in BUILTIN)
    assert 0.25e6 < small < 0.4e6
    assert 2.5 * small < base < 1.4e6
    assert 3e6 < large < 4.6e6
    for name in BUILTIN:
        assert loaded(name)[0].config.model_type == "llama"


@pytest.mark.parametrize("name", BUILTIN)
def test_the_default_is_greedy_and_strictly_valid(name):
    config = GenerationConfig.from_pretrained(model_path(name))
    config.validate(strict=True)
    assert not config.do_sample
    assert config.max_new_tokens == 40
    tokenizer = loaded(name)[1]
    assert config.eos_token_id == tokenizer.eos_token_id
    assert config.pad_token_id == tokenizer.pad_token_id


def test_the_longest_right_answer_fits_the_default_number_of_new_tokens():
    assert max(len(p.completion) for p in problems("verify", 0, CARD_PROBLEMS)) < 40


# --- the card --------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", BUILTIN)
def test_the_card_agrees_with_a_new_evaluation(name):
    again = evaluate(*loaded(name), problems("verify", 0, SUBSET))
    said = recorded()[name]["greedy (default)"]["solved_of_subset"]
    # Sums in another order, on another processor, may tip a tie between two tokens.
    assert abs(again.solved_of_subset - said) <= 1


def test_the_card_shows_the_recorded_figures():
    card = (WEIGHTS / "README.md").read_text()
    rows = {
        cells[0]: cells[1:]
        for line in card.splitlines()
        if line.startswith("|") and (cells := [c.strip() for c in line.strip("|").split("|")])
    }
    for decoding in DECODINGS:
        assert rows[decoding] == [f"{100 * recorded_rate(n, decoding):.1f}" for n in BUILTIN]
    for kind in KINDS:
        greedy = [recorded()[n]["greedy (default)"] for n in BUILTIN]
        assert rows[kind] == [f"{100 * g['solved'][kind] / g['asked'][kind]:.1f}" for g in greedy]
    assert rows["parameters"] == [f"{loaded(n)[0].num_parameters():,}" for n in BUILTIN]
    training = [json.loads((WEIGHTS / n / "training.json").read_text()) for n in BUILTIN]
    assert rows["steps"] == [f"{t['result']['steps']:,}" for t in training]
    assert len({json.dumps({**t["recipe"], "steps": None}) for t in training}) == 1
    assert f"seed {training[0]['recipe']['seed']}" in re.sub(r"\s+", " ", card)


def test_the_largest_answers_nine_in_ten_and_the_smaller_clearly_fewer():
    best = {n: max(recorded_rate(n, d) for d in DECODINGS) for n in BUILTIN}
    assert best["large"] >= 0.9
    assert best["base"] <= best["large"] - 0.03
    assert best["small"] <= best["base"] - 0.3


# --- accuracy depends on decoding ------------------------------------------------------------


def test_accuracy_depends_on_the_model():
    assert rate("small") < rate("base") - 0.2


def test_accuracy_falls_with_temperature():
    cool, default, hot = (rate("base", sampled(temperature=t)) for t in (0.2, 1.0, 1.5))
    assert cool > default + 0.1
    assert default > hot + 0.1
    assert abs(cool - rate("base")) < 0.05


@pytest.mark.slow
def test_truncating_the_tail_restores_what_sampling_loses():
    untruncated = rate("base", sampled(temperature=1.0, top_k=0))
    assert rate("base", sampled(temperature=1.0, top_k=0, top_p=0.9)) > untruncated + 0.1
    assert rate("base", sampled(temperature=1.0, top_k=2)) > untruncated + 0.1
    assert rate("base", sampled(temperature=1.0, top_k=5)) > untruncated
    assert rate("base", sampled(temperature=1.0, top_k=0, min_p=0.1)) > untruncated + 0.1


def test_penalising_repetition_costs_accuracy_the_more_the_stronger_it_is():
    some, strong = (rate("base", (("repetition_penalty", p),)) for p in (1.2, 1.4))
    assert some < rate("base") - 0.02
    assert strong < some - 0.2


@pytest.mark.slow
def test_beams_keep_accuracy_where_single_paths_lose_it():
    for knobs in (sampled(temperature=1.0), (("repetition_penalty", 1.4),)):
        assert rate("base", (*knobs, ("num_beams", 4))) > rate("base", knobs) + 0.1


def test_blocking_ngrams_costs_accuracy_the_more_the_shorter_they_are():
    two, four = (rate("base", (("no_repeat_ngram_size", n),)) for n in (2, 4))
    assert two < four - 0.1
    assert four < rate("base") - 0.05


def test_too_few_new_tokens_cut_answers_off():
    few, some = (rate("base", (("max_new_tokens", n),)) for n in (6, 16))
    assert few < some - 0.2
    assert some < rate("base") - 0.05
    assert rate("base", (("max_new_tokens", 64),)) == rate("base")


@pytest.mark.slow
def test_half_precision_keeps_accuracy_nearly():
    for dtype in (torch.bfloat16, torch.float16):
        model = AutoModelForCausalLM.from_pretrained(model_path("base"), dtype=dtype)
        assert model.dtype == dtype
        half = evaluate(model.eval(), loaded("base")[1], ASKED)
        assert abs(half.rate - rate("base")) < 0.05


# --- cost depends on decoding, batch, cache, type, threads and size ---------------------------


def work(name, prompts, batch, **decoding):
    """Count (floating-point operations, passes through the model) for greedy completions."""
    model, tokenizer = loaded(name)
    passes = 0

    def count(*_):
        nonlocal passes
        passes += 1

    handle = model.register_forward_pre_hook(count)
    try:
        with FlopCounterMode(display=False) as flops:
            for start in range(0, len(prompts), batch):
                complete(model, tokenizer, prompts[start : start + batch], **decoding)
    finally:
        handle.remove()
    return flops.get_total_flops(), passes


PROMPTS = [p.prompt for p in ASKED[:8]]
EXACTLY = {"min_new_tokens": 20, "max_new_tokens": 20}
"""Cost is compared over the same number of tokens, whatever is answered."""


def test_larger_models_work_more():
    flops = [work(name, PROMPTS, 8, **EXACTLY)[0] for name in BUILTIN]
    assert flops[1] > 2.5 * flops[0]
    assert flops[2] > 2.5 * flops[1]


def test_beams_multiply_the_work():
    one, two, four = (work("base", PROMPTS, 8, num_beams=n, **EXACTLY)[0] for n in (1, 2, 4))
    assert 1.7 * one < two < 2.3 * one
    assert 3.4 * one < four < 4.6 * one


def test_without_a_cache_every_token_is_computed_again():
    cached, again = (work("base", PROMPTS, 8, use_cache=u, **EXACTLY)[0] for u in (True, False))
    assert again > 5 * cached


def test_larger_batches_need_fewer_passes_and_so_read_the_weights_less_often():
    passes = [work("small", PROMPTS, batch, **EXACTLY)[1] for batch in (1, 4, 8)]
    assert passes == [8 * 20, 2 * 20, 20]


def test_each_new_token_is_a_pass_and_answers_stop_early():
    assert work("base", PROMPTS, 8, max_new_tokens=6)[1] == 6
    longest = work("base", PROMPTS, 8)[1]
    assert 6 < longest < 40


@pytest.mark.slow
def test_prompt_lookup_needs_fewer_passes_where_answers_repeat_the_prompt():
    repeats = [p.prompt for p in problems("tune", 0, 8, ("repeat",))]
    plain = work("base", repeats, 1)[1]
    assert work("base", repeats, 1, prompt_lookup_num_tokens=4)[1] < 0.8 * plain


def test_half_precision_halves_the_bytes_of_weights_read():
    single, half = (
        sum(
            p.numel() * p.element_size()
            for p in AutoModelForCausalLM.from_pretrained(
                model_path("base"), dtype=dtype
            ).parameters()
        )
        for dtype in (torch.float32, torch.bfloat16)
    )
    assert half * 2 == single


@pytest.mark.slow
@pytest.mark.skipif((psutil.cpu_count() or 1) < 2, reason="needs two processors")
@pytest.mark.parametrize("threads", [1, 2])
def test_as_many_threads_work_as_are_asked_for(threads):
    process = psutil.Process()
    torch.set_num_threads(threads)

    def seconds():
        return {t.id: t.user_time for t in process.threads()}

    # One pass over 96 whole prompts is enough work to share.
    before = seconds()
    for _ in range(3):
        complete(*loaded("base"), [p.prompt for p in ASKED], max_new_tokens=2)
    spent = [now - before.get(i, 0.0) for i, now in seconds().items()]
    assert sum(s > 0.2 * max(spent) for s in spent) == threads
