"""The last words of programs: causes as engines put them, and what is left of their logs."""

from __future__ import annotations

import pytest

from tuner.engines.failure_log import classify_failure, error_excerpt

MEMORY = [
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.",
    "ValueError: No available memory for the cache blocks. Try increasing the utilization.",
    "ValueError: Free memory on device cuda:0 (3.1/79.1 GiB) on startup is less than desired",
    "RuntimeError: Not enough memory. Please try to increase --mem-fraction-static.",
    "ggml_backend_cuda_buffer_type_alloc_buffer: allocating 900 MiB failed: out of memory",
    "terminate called after throwing an instance of 'std::bad_alloc'",
    "[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory",
]
REFUSED = [
    "ValueError: max_num_batched_tokens (8) must be greater than max_num_seqs (16)",
    "vllm: error: argument --block-size: invalid choice: 7",
    "usage: sglang [-h]\nerror: unrecognized arguments: --magic",
    "NotImplementedError: Concurrent Partial Prefill is not supported.",
    "AssertionError: chunked_prefill_size must be divisible by page_size",
    "error: invalid argument: --magic",
    "llama_init_from_model: V cache quantization requires flash_attn",
    "pydantic_core._pydantic_core.ValidationError: 1 validation error for VllmConfig",
]


@pytest.mark.parametrize("words", MEMORY)
def test_memory_that_ran_out(words):
    assert classify_failure(f"loading\n{words}\nshutting down", 1, served=False) == "out_of_memory"
    assert classify_failure(words, -6, served=True) == "out_of_memory"


@pytest.mark.parametrize("words", REFUSED)
def test_arguments_that_are_refused(words):
    assert classify_failure(f"loading\n{words}\nshutting down", 1, served=False) == "refused"


def test_a_server_that_had_served_did_not_refuse_its_arguments():
    assert classify_failure("ValueError: in a request", 1, served=True) == "crash"


def test_a_parsers_status_is_a_refusal_and_anything_else_a_crash():
    assert classify_failure("", 2, served=False) == "refused"
    assert classify_failure("INFO all is well", -11, served=False) == "crash"
    assert classify_failure("ConnectionError: no route", 1, served=False) == "crash"


LOG = """\
\x1b[32mINFO\x1b[0m starting
Loading: 100%|##########| 2/2 [00:00<00:00]
ERROR the worker failed
Traceback (most recent call last):
  File "/opt/engine/core.py", line 12, in start
    raise ValueError(message)
    ^^^^^^^^^^^^^^^^^^^^^^^^^
ValueError: the root of it
INFO: shutting down
one
two
three
four
RuntimeError: Engine core initialization failed. See root cause above.
"""


def test_the_root_of_it_comes_first_and_tracebacks_are_left_out():
    assert error_excerpt(LOG).splitlines() == [
        "ValueError: the root of it",
        "one",
        "two",
        "three",
        "four",
        "RuntimeError: Engine core initialization failed. See root cause above.",
    ]


def test_boxes_and_silence():
    box = "╭─ Error ─────╮\n│ No such option: --x │\n╰─────────╯\n"
    assert "No such option: --x" in error_excerpt(box)
    assert error_excerpt(" \n\n") == "it wrote nothing"


def test_long_words_keep_their_end():
    assert len(error_excerpt("x" * 10_000)) < 3000
