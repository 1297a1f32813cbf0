"""Write a GGUF file as a folder that transformers reads: weights, tokenizer, chat template.

    python tools/gguf_to_folder.py model.gguf folder

It needs the package `gguf`. The weights become 32-bit floats, so the folder is larger than the
file, and a quantised file's folder has the quantised values. For architectures that transformers
can read from GGUF files.
"""

from __future__ import annotations

import copy
import sys
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def write_folder(checkpoint: Path, folder: Path) -> None:
    """Write the model of a GGUF file into a folder, as `save_pretrained` does."""
    source: dict[str, Any] = {
        "pretrained_model_name_or_path": checkpoint.parent,
        "gguf_file": checkpoint.name,
    }
    read = AutoModelForCausalLM.from_pretrained(**source, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(**source)
    # What was read from a GGUF file counts as quantised, and is not written: a plain twin is.
    config = copy.deepcopy(read.config)
    vars(config).pop("quantization_config", None)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.load_state_dict(read.state_dict())
    model.generation_config = read.generation_config
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


if __name__ == "__main__":
    write_folder(Path(sys.argv[1]), Path(sys.argv[2]))
