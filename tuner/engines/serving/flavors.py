"""The servers that can be launched, by the names that `--launch` takes."""

from __future__ import annotations

from tuner.engines.serving.flavor import ServerFlavor
from tuner.engines.serving.llama_cpp import LLAMA_CPP
from tuner.engines.serving.sglang import SGLANG
from tuner.engines.serving.transformers_serve import TRANSFORMERS_SERVE
from tuner.engines.serving.vllm import VLLM
from tuner.errors import UserError

SERVERS: dict[str, ServerFlavor] = {}
"""Every server that can be launched, by name."""


def register_server(flavor: ServerFlavor) -> None:
    """Make a server known to `--launch`, `tune doctor` and the recognition of running servers.

    Raises:
        ValueError: another server has this name.
    """
    if SERVERS.setdefault(flavor.name, flavor) is not flavor:
        raise ValueError(f"there is a server called {flavor.name} already")


def server_named(name: str) -> ServerFlavor:
    """The server that can be launched under a name; UserError where none has it."""
    if name not in SERVERS:
        raise UserError(f"no server is called {name!r}; choose one of {', '.join(SERVERS)}")
    return SERVERS[name]


for _flavor in (VLLM, SGLANG, LLAMA_CPP, TRANSFORMERS_SERVE):
    register_server(_flavor)
