"""Prompts of a wanted number of tokens."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.errors import UserError
from tuner.workloads import Calibration, calibrate, estimated_fill, exact_fill
from tuner.workloads.prompt_synthesis import WORDS


@pytest.fixture(scope="module")
def builtin_count():
    from tuner.builtin_models.counting import token_counter

    return token_counter("builtin:small")


def trained(kind: str, vocabulary: int):
    """A tokenizer of the sort that models have, trained on a little English."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    english = [(sentence.__doc__ or "") for sentence in vars(st).values()] + [" ".join(WORDS)] * 3
    if kind == "word pieces":
        tokenizer = Tokenizer(models.WordPiece(unk_token="?"))
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        trainer = trainers.WordPieceTrainer(
            vocab_size=vocabulary, special_tokens=["?"], show_progress=False
        )
    elif kind == "unigrams":
        tokenizer = Tokenizer(models.Unigram())
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        trainer = trainers.UnigramTrainer(vocab_size=vocabulary, show_progress=False)
    else:
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        trainer = trainers.BpeTrainer(
            vocab_size=vocabulary,
            show_progress=False,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        )
    tokenizer.train_from_iterator(english, trainer)
    return lambda text: len(tokenizer.encode(text).ids)


@given(n=st.integers(2, 128), seed=st.integers(0, 5))
@settings(max_examples=50, deadline=None)
def test_prompts_for_the_builtin_models_are_exact(builtin_count, n, seed):
    prompt = exact_fill(builtin_count)(n, str(seed))
    assert builtin_count(prompt) == n
    assert prompt == prompt.strip()


def test_no_prompt_is_empty(builtin_count):
    assert len(exact_fill(builtin_count)(1, "0")) == 1


@pytest.mark.parametrize(
    ("kind", "vocabulary"),
    [("byte pairs", 300), ("byte pairs", 3000), ("unigrams", 1000), ("word pieces", 1500)],
)
def test_prompts_are_exact_for_tokenizers_like_those_of_real_models(kind, vocabulary):
    count = trained(kind, vocabulary)
    fill = exact_fill(count)
    for n in (*range(2, 60), 127, 1000, 4096):
        assert count(fill(n, str(n))) == n


def test_a_tokenizer_that_cannot_make_a_length_gets_the_nearest_below():
    def by_three(text):
        return 3 * len(text.split())

    assert by_three(exact_fill(by_three)(100, "0")) == 99


def test_seeds_reproduce_and_prompts_begin_differently():
    fill = exact_fill(len)
    prompts = [fill(200, str(k)) for k in range(50)]
    assert prompts == [fill(200, str(k)) for k in range(50)]
    assert len({prompt[:40] for prompt in prompts}) == 50


@pytest.mark.parametrize(("per_word", "overhead"), [(1, 1), (1.5, 30), (3, 0)])
def test_calibration_finds_what_a_server_adds(per_word, overhead):
    def usage(text):
        return round(per_word * len(text.split())) + overhead

    found = calibrate(usage)
    assert found.tokens_per_word == pytest.approx(per_word, abs=0.01)
    assert found.overhead == pytest.approx(overhead, abs=1)
    fill = estimated_fill(found)
    for n in (40, 100, 1000):
        assert abs(usage(fill(n, "0")) - n) <= max(1, per_word)


def test_an_estimated_prompt_is_near_the_count_of_a_tokenizer_that_it_was_calibrated_by():
    count = trained("byte pairs", 3000)
    fill = estimated_fill(calibrate(count))
    assert all(abs(count(fill(n, str(n))) - n) <= 0.1 * n for n in (50, 200, 1000, 4000))


@pytest.mark.parametrize("constant", [0, 7])
def test_a_server_that_counts_nothing_cannot_be_calibrated_by(constant):
    with pytest.raises(UserError, match="usage count cannot be used"):
        calibrate(lambda _: constant)


def test_a_prompt_too_short_for_its_overhead_is_one_word():
    assert estimated_fill(Calibration(1.0, 40.0))(5, "0") in WORDS
