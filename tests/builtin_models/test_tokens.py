"""The tokenizer gives back what it was given, and loads from its folder offline."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from tuner.builtin_models.problems import ALPHABET, problems
from tuner.builtin_models.tokens import build_tokenizer

BUILT = build_tokenizer()


@given(st.text(ALPHABET, max_size=60))
def test_text_goes_through_unchanged_one_token_per_character(text):
    ids = BUILT(text)["input_ids"]
    assert ids[0] == BUILT.bos_token_id
    assert len(ids) == len(text) + 1
    assert BUILT.unk_token_id not in ids
    assert BUILT.decode(ids, skip_special_tokens=True) == text


@given(st.text(max_size=20))
def test_any_text_has_tokens_and_characters_of_others_are_unknown(text):
    ids = BUILT(text, add_special_tokens=False)["input_ids"]
    assert len(ids) == len(text)
    assert [i == BUILT.unk_token_id for i in ids] == [c not in ALPHABET for c in text]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    BUILT.save_pretrained(folder)
    return AutoTokenizer.from_pretrained(folder, local_files_only=True)


def test_a_saved_tokenizer_is_the_same_and_pads_on_the_left(loaded):
    prompts = [p.prompt for p in problems("tune", 0, 50)]
    ours, theirs = (t(prompts, padding=True, return_tensors="np") for t in (BUILT, loaded))
    assert (ours["input_ids"] == theirs["input_ids"]).all()
    assert (ours["attention_mask"] == theirs["attention_mask"]).all()
    assert theirs["attention_mask"][:, -1].all()
    assert not theirs["attention_mask"][:, 0].all()
    assert loaded.batch_decode(theirs["input_ids"], skip_special_tokens=True) == prompts
