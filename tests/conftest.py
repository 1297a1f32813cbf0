"""Fixtures that several rooms share."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    """Folder of an untrained Llama of 0.3 million parameters: real, only ignorant."""
    import torch

    from tuner.models.architecture import SIZES, build_model
    from tuner.models.tokens import build_tokenizer

    folder = tmp_path_factory.mktemp("models") / "tiny"
    torch.manual_seed(0)
    build_model(SIZES["small"]).save_pretrained(folder)
    build_tokenizer().save_pretrained(folder)
    return str(folder)
