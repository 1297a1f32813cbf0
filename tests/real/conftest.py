"""Where the real model and its server are."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True)
class Real:
    """SmolLM2-135M-Instruct as a folder and as a GGUF file, a server for it, and questions."""

    model: Path
    checkpoint: Path
    server: Path
    questions: Path = REPOSITORY / "benchmarks" / "tasks" / "questions.jsonl"


@pytest.fixture(scope="session")
def real() -> Real:
    folder = Path(os.environ.get("TUNER_REAL", REPOSITORY / ".real"))
    if not (folder / "model").is_dir():
        pytest.skip(f"no real model in {folder}: make real-set-up, or TUNER_REAL=FOLDER")
    return Real(folder / "model", folder / "model.gguf", folder / "llama-server")
