"""What a user gets wrong is answered by one sentence with place and remedy, and status 2."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tuner.cli import main

PROMPTS = '{"prompt": "sort ba:", "answer": "ab", "grader": "final"}\n'


def mistake(capsys, monkeypatch, *words: str) -> str:
    monkeypatch.setattr(sys, "argv", ["tune", *map(str, words)])
    with pytest.raises(SystemExit) as caught:
        main()
    shown = capsys.readouterr()
    assert caught.value.code == 2
    assert "Traceback" not in shown.err
    assert shown.err.startswith("tune: ")
    assert len(shown.err.strip().splitlines()) <= 6
    return shown.err


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("good.jsonl").write_text(PROMPTS)
    Path("good.gguf").write_bytes(b"GGUF")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--model", "./missing", "--task", "good.jsonl"], ["./missing", "folder"]),
        (["--model", "good.gguf", "--task", "good.jsonl"], ["good.gguf", "--launch llama.cpp"]),
        (["--model", "builtin:huge"], ["builtin:huge", "builtin:small"]),
        (["--task", "missing.jsonl"], ["missing.jsonl"]),
        (["--model", "./here"], ["--task"]),
        (["--max-trials", "0"], ["--max-trials 0", "at least 1"]),
        (["--max-time", "0m"], ["--max-time 0m", "8m"]),
        (["--max-time", "soon"], ["--max-time soon", "8m"]),
        (["--prompts", "0"], ["n_prompts"]),
        (["--tolerance", "7"], ["accuracy_tolerance"]),
        (["--limit", "mean_e2el_ms"], ["--limit mean_e2el_ms", "5x"]),
        (["--limit", "p99_ttft_ms<3x"], ["p99_ttft_ms<3x", "mean_e2el_ms"]),
        (["--set", "num_beans=4"], ["num_beans", "num_beams"]),
        (["--set", "num_beams"], ["num_beams", "feature=value"]),
        (["--set", "num_beams=5"], ["num_beams", "2, 3, 4"]),
        (["--set", "batch_size=4", "--set", "batch_size=8"], ["batch_size", "twice"]),
        (["--set", "search=PromptLookup", "--set", "batch_size=4"], ["PromptLookup", "batch_size"]),
        (["--objective", "accuracy"], ["accuracy", "METRIC:min"]),
        (["--objective", "mean_ttf_ms:min"], ["mean_ttf_ms", "mean_ttft_ms"]),
        (["--space", "transformer"], ["transformer", "transformers"]),
        (["--out", "good.jsonl"], ["good.jsonl", "folder"]),
        (["--slo", "p99_ttft_ms=5"], ["p99_ttft_ms=5", "p99_ttft_ms<500"]),
        (["--slo", "p99_tttft_ms<5"], ["p99_tttft_ms", "p99_ttft_ms"]),
        (["--workload", "fixed:input=8,output=4", "--slo", "accuracy>=0.9"], ["--task"]),
        (["--launch", "tgi"], ["launch", "sglang"]),
        (["--launch", "vllm", "--url", "http://127.0.0.1:1"], ["only one", "launch", "url"]),
        (["--url", "http://127.0.0.1:1", "--task", "good.jsonl"], ["http://127.0.0.1:1"]),
        (["--command", "prog {x}"], ["space"]),
        (["--command", "prog {x}", "--space", "vllm"], ["{x}"]),
        (["--workload", "missing.csv"], ["missing.csv"]),
        (["--workload", "lots"], ["lots", "lognormal:"]),
        (["--workload", "fixed:input=8,output=4", "--rate", "often"], ["--rate often", "closed"]),
        (["--workload", "fixed:input=8,output=4", "-n", "0"], ["n_requests"]),
        (["--allow-gpu-control"], ["GPU"]),
    ],
)
def test_a_mistake_is_named_with_its_remedy(capsys, monkeypatch, words, says):
    text = mistake(capsys, monkeypatch, "run", *words)
    for part in says:
        assert part in text


def test_a_broken_line_is_named_by_file_and_number(capsys, monkeypatch):
    Path("broken.jsonl").write_text(PROMPTS + '{"prompt": "sort dc:", \n')
    text = mistake(capsys, monkeypatch, "run", "--task", "broken.jsonl")
    assert "broken.jsonl" in text
    assert "2" in text


def test_an_option_that_does_not_exist_is_refused(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["tune", "run", "--max-trails", "3"])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    assert "--max-trials" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["--set", "num_beans=4"],
        ["--limit", "p99_ttft_ms<3x"],
        ["--url", "http://127.0.0.1:1", "--task", "good.jsonl"],
        ["--launch", "transformers", "--launch-command", "./nowhere"],
    ],
)
def test_nothing_is_written_for_a_mistake(capsys, monkeypatch, words):
    mistake(capsys, monkeypatch, "run", "--out", "new", *words)
    assert not Path("new").exists()
