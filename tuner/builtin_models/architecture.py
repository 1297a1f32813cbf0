"""The sizes of the built-in models, all of them Llama."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuner.builtin_models.problems import LONGEST
from tuner.builtin_models.tokens import build_tokenizer

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM


@dataclass(frozen=True)
class Size:
    """The shape of a decoder: width, depth and attention heads; the MLP is 8/3 as wide."""

    width: int
    layers: int
    heads: int


SIZES = {"small": Size(112, 2, 4), "base": Size(144, 4, 4), "large": Size(224, 7, 7)}


def build_model(size: Size) -> LlamaForCausalLM:
    """Build an untrained model (about 12 x layers x width^2 parameters) with its defaults.

    Its `generation_config` is greedy decoding of at most 40 new tokens.
    """
    from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

    tokenizer = build_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=size.width,
        intermediate_size=round(size.width * 8 / 3 / 16) * 16,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        num_key_value_heads=size.heads,
        max_position_embeddings=2 * LONGEST,
        tie_word_embeddings=False,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = LlamaForCausalLM(config)
    model.generation_config = GenerationConfig(
        do_sample=False,
        max_new_tokens=40,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return model
