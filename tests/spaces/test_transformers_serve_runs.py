"""The space of `transformers serve` on the real server: what it allows runs, the rest fails."""

from __future__ import annotations

import importlib.util
import re

import numpy as np
import pytest

from tuner.engines import ServerEngine, ServerLimits
from tuner.measure import EngineFailure
from tuner.space import Arguments, load_space
from tuner.workloads import Request

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        any(importlib.util.find_spec(name) is None for name in ("fastapi", "uvicorn", "openai")),
        reason="the extra `serve` is not installed",
    ),
]

REQUESTS = [Request(f"{i}+34={i + 34}. 12+34=", max_tokens=6) for i in range(3)]
PAGED = {"continuous_batching": True, "cb_num_blocks": 64, "cb_max_batch_tokens": 256}
LOOKUP = {"generation_config.prompt_lookup_num_tokens": 4}


@pytest.fixture(scope="module")
def server():
    with ServerEngine(
        "builtin:small",
        launch="transformers",
        device="cpu",
        limits=ServerLimits(load_s=180, run_s=60, silence_s=30, end_s=5),
        environment={"OMP_NUM_THREADS": "1"},
    ) as engine:
        yield engine


def errors(server, arguments):
    """What the server answers in the place of text, and what it says when it ends."""
    try:
        server.apply(arguments)
        return [c.error for c in server.run(REQUESTS, seed=0) if c.error is not None]
    except EngineFailure as failure:
        return [failure.message]


@pytest.mark.parametrize("batching", ["OneAfterAnother", "ContinuousBatching"])
def test_what_is_drawn_is_answered(server, batching):
    space = load_space("transformers_serve", pins={"model": "builtin:small", "batching": batching})
    for configuration in space.decode(space.sample(2, np.random.default_rng(0))):
        assert not errors(server, space.arguments(configuration)), configuration


@pytest.mark.parametrize(
    ("load", "request_", "words"),
    [
        ({"attn_implementation": "flex_attention", "compile": True}, {}, "BlockMask"),
        ({}, {**LOOKUP, "generation_config.use_cache": False}, "use_cache"),
        ({}, {"generation_config.cache_implementation": "offloaded"}, "CUDA"),
        ({}, {"generation_config.num_beams": 2}, "beam"),
        ({"compile": True}, LOOKUP, "Static cache"),
        ({**PAGED, "attn_implementation": "flex_attention"}, {}, "500|not supported"),
        ({**PAGED, "cb_num_blocks": 2, "cb_block_size": 4}, {}, "can be scheduled"),
    ],
)
def test_what_the_space_refuses_the_server_does_not_answer(server, load, request_, words):
    arguments = Arguments({"model": "builtin:small", **load}, request_, {"concurrency": 1})
    assert re.search(words, " ".join(errors(server, arguments)))
