"""Training learns, is seeded, looks at completions of training problems only, and saves all."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from train_builtin_models import Recipe, backward, batches, level_logits, save, train
from transformers import AutoModelForCausalLM, AutoTokenizer

from tuner.builtin_models import problems, split_of
from tuner.builtin_models.architecture import SIZES, build_model
from tuner.builtin_models.problems import ALPHABET
from tuner.builtin_models.tokens import build_tokenizer

SHORT = Recipe(steps=40, batch=16, warmup=5)


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def trained(_one_thread):
    return train("small", SHORT)


def test_the_loss_falls_and_the_same_seed_gives_the_same_model(trained):
    model, facts = trained
    assert facts.problems == SHORT.steps * SHORT.batch
    assert facts.loss < math.log(len(ALPHABET)) - 0.5
    again, facts_again = train("small", SHORT)
    assert facts_again.loss == facts.loss
    ours, theirs = model.state_dict(), again.state_dict()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)


def test_batches_hold_training_problems_with_completions_alone_as_labels():
    tokenizer = build_tokenizer()
    ids, labels = next(batches(tokenizer, SHORT))
    counted = labels >= 0
    assert torch.equal(ids[counted], labels[counted])
    for row, mask in zip(ids, counted, strict=True):
        prompt, _, completion = tokenizer.decode(row, skip_special_tokens=True).partition(":")
        assert split_of(prompt + ":") == "train"
        assert tokenizer.decode(row[mask]) == completion + tokenizer.eos_token


def test_a_batch_in_parts_has_the_gradient_of_the_whole(monkeypatch):
    batch = next(batches(build_tokenizer(), SHORT))
    gradients = []
    for rows in (16, 5):
        monkeypatch.setattr("train_builtin_models._ROWS", rows)
        torch.manual_seed(0)
        model = build_model(SIZES["small"])
        backward(model, batch, 0.05)
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters()]))
    # bfloat16 keeps 8 bits, so parts that are summed in another order differ a little.
    assert torch.nn.functional.cosine_similarity(*gradients, dim=0) > 0.999
    assert torch.linalg.norm(gradients[0]) == pytest.approx(
        torch.linalg.norm(gradients[1]).item(), rel=0.02
    )


def test_the_level_of_logits_changes_no_probability_and_saving_loses_little(trained, tmp_path):
    model, facts = copy.deepcopy(trained)
    model.set_attn_implementation("sdpa")
    inputs = build_tokenizer()(
        [p.prompt for p in problems("tune", 0, 32)], return_tensors="pt", padding=True
    )
    real = inputs["attention_mask"].bool()
    with torch.inference_mode():
        before = model(**inputs).logits[real]
    level_logits(model, SHORT)
    with torch.inference_mode():
        after = model(**inputs).logits[real]
    torch.testing.assert_close(after.softmax(-1), before.softmax(-1), atol=1e-4, rtol=1e-3)
    assert abs(after.logsumexp(-1).median() - SHORT.level) < 5
    assert before.logsumexp(-1).median() < 10

    save(model, tmp_path, SHORT, facts)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path, local_files_only=True)
    assert loaded.dtype == torch.float32
    with torch.inference_mode():
        again = loaded.eval()(**inputs).logits[real]
    torch.testing.assert_close(again.softmax(-1), after.softmax(-1), atol=0.02, rtol=0)
    assert len(AutoTokenizer.from_pretrained(tmp_path)) == loaded.config.vocab_size
    assert loaded.generation_config.max_new_tokens == 40
