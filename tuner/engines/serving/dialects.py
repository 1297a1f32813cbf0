"""How each server is started, and how it wants to be asked.

From the servers' own sources: vLLM 0.33, SGLang 0.5, llama.cpp of 2025 and transformers 5.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuner.errors import UserError
from tuner.workloads import Request

_LLAMA_SWITCHES = frozenset(
    {
        "cont_batching",
        "context_shift",
        "jinja",
        "kv_offload",
        "kv_unified",
        "mmap",
        "op_offload",
        "perf",
        "repack",
        "warmup",
    }
)


@dataclass(frozen=True)
class Dialect:
    """What differs between servers.

    Attributes:
        name: as `--launch` calls it.
        program: what starts it, where the user names nothing else.
        subcommand: the words between that and the model.
        switches_off: names of the options that have a `--no-...` form, or None where all have;
            other options are left out where they are false.
        nests: whether an option `a.b` is the entry `b` of a JSON option `--a`.
        stream_options: whether the number of tokens has to be asked for.
        runs_model_code: whether it can be told to run the Python code that comes with a model.
        generation_config: whether request arguments `generation_config.x` go into a JSON text.
        exact_length: fields that let an answer end only where it may have no more tokens.
        least_length: the field for the least number of tokens; empty where there is none.
        version: what it calls its version, and where it tells it.
        older_version: where older releases told it.
        owner: what it calls the owner of its models in `/v1/models`.

    """

    name: str
    program: tuple[str, ...] = ()
    subcommand: tuple[str, ...] = ()
    switches_off: frozenset[str] | None = frozenset()
    nests: bool = False
    stream_options: bool = True
    runs_model_code: bool = False
    generation_config: bool = False
    exact_length: Mapping[str, Any] | None = None
    least_length: str = ""
    version: tuple[str, str] = ("", "")
    older_version: str = ""
    owner: str = ""

    @property
    def command(self) -> tuple[str, ...]:
        """What starts it, up to the model."""
        return self.program + self.subcommand


VLLM = Dialect(
    "vllm",
    ("vllm",),
    ("serve",),
    switches_off=None,
    nests=True,
    runs_model_code=True,
    exact_length={"ignore_eos": True},
    least_length="min_tokens",
    version=("version", "/version"),
    owner="vllm",
)
SGLANG = Dialect(
    "sglang",
    ("python3", "-m", "sglang.launch_server"),
    ("--model-path",),
    runs_model_code=True,
    exact_length={"ignore_eos": True},
    least_length="min_tokens",
    version=("version", "/server_info"),
    older_version="/get_server_info",
    owner="sglang",
)
LLAMA_CPP = Dialect(
    "llama.cpp",
    ("llama-server",),
    switches_off=_LLAMA_SWITCHES,
    exact_length={"ignore_eos": True},
    version=("build_info", "/props"),
    owner="llamacpp",
)
TRANSFORMERS = Dialect(
    "transformers",
    (sys.executable, "-m", "transformers.cli.transformers"),
    ("serve",),
    switches_off=None,
    stream_options=False,
    runs_model_code=True,
    generation_config=True,
)
UNKNOWN = Dialect("unknown")

LAUNCHED = {d.name: d for d in (VLLM, SGLANG, LLAMA_CPP, TRANSFORMERS)}
"""The servers that can be started, by name."""


def dialect_named(name: str) -> Dialect:
    """The dialect of a server that can be started.

    Raises:
        UserError: none has that name.
    """
    if name not in LAUNCHED:
        raise UserError(f"no server is called {name!r}; choose one of {', '.join(LAUNCHED)}")
    return LAUNCHED[name]


def command_line(
    dialect: Dialect,
    command: Sequence[str] | None,
    model: str,
    port: int,
    options: Mapping[str, Any],
) -> list[str]:
    """The words that start a server; no shell sees them.

    Args:
        dialect: of the server.
        command: in place of the dialect's program; its subcommand may be there or not.
        model: a folder, a file or a name.
        port: where it listens, on 127.0.0.1 only.
        options: their names in snake case; None leaves one to the server.
    """
    words = [*(command or dialect.program)]
    if tuple(words[-len(dialect.subcommand) :]) != dialect.subcommand:
        words += dialect.subcommand
    if dialect is LLAMA_CPP:
        words.append("-m" if model.endswith(".gguf") else "-hf")
    words += [model, "--host", "127.0.0.1", "--port", str(port)]
    nested: dict[str, dict[str, Any]] = {}
    for name, value in options.items():
        if value is None:
            continue
        if dialect.nests and "." in name:
            outer, _, inner = name.partition(".")
            nested.setdefault(outer, {})[inner] = value
        else:
            words += _option(dialect, name, value)
    for name, entries in nested.items():
        words += [f"--{_kebab(name)}", json.dumps(entries)]
    return words


def _option(dialect: Dialect, name: str, value: Any) -> list[str]:
    if value is True:
        return [f"--{_kebab(name)}"]
    if value is False:
        has_negation = dialect.switches_off is None or name in dialect.switches_off
        return [f"--no-{_kebab(name)}"] if has_negation else []
    return [f"--{_kebab(name)}", str(value)]


def _kebab(name: str) -> str:
    return name.replace("_", "-")


def body_of(
    dialect: Dialect,
    api: str,
    model: str,
    request: Request,
    arguments: Mapping[str, Any],
    *,
    seed: int,
    paged: bool,
    own_settings: Mapping[str, Any],
) -> dict[str, Any]:
    """What is sent for one request.

    Args:
        dialect: of the server.
        api: `chat` or `completions`.
        model: as the server calls it.
        request: its lengths overrule the arguments'.
        arguments: request parameters of the configuration.
        seed: of the sampling.
        paged: whether `transformers serve` batches continuously; it then takes no least length.
        own_settings: generation settings of the model, which a `generation_config` replaces.
    """
    body: dict[str, Any] = {"model": model, "stream": True, "seed": seed}
    if api == "chat":
        body["messages"] = [{"role": "user", "content": request.prompt}]
    else:
        body["prompt"] = request.prompt
    if dialect.stream_options:
        body["stream_options"] = {"include_usage": True}
    nested: dict[str, Any] = {}
    for name, value in arguments.items():
        outer, _, inner = name.partition(".")
        if outer == "generation_config" and inner and dialect.generation_config:
            nested[inner] = value
        else:
            body[name] = value
    most = request.max_tokens or body.get("max_tokens") or nested.get("max_new_tokens")
    most = most or own_settings.get("max_new_tokens")
    if most is not None:
        body["max_tokens"] = most
    if request.min_tokens and dialect.generation_config:
        nested |= _least_new_tokens(request.min_tokens, most, paged)
    elif request.min_tokens:
        if dialect.least_length:
            body[dialect.least_length] = request.min_tokens
        if request.min_tokens == most:
            body |= dialect.exact_length or {}
    if nested:
        body["generation_config"] = json.dumps({**own_settings, **nested})
    return body


def _least_new_tokens(least: int, most: int | None, paged: bool) -> dict[str, int]:
    """Generation settings of transformers; continuous batching can only forgo the end token."""
    if not paged:
        return {"min_new_tokens": least}
    return {"eos_token_id": -1} if least == most else {}


def can_lengthen(dialect: Dialect, request: Request, *, paged: bool) -> bool:
    """Whether the server can be told the least length that a request asks for."""
    if not request.min_tokens:
        return True
    exact = request.min_tokens == request.max_tokens
    if dialect.generation_config:
        return exact or not paged
    return bool(dialect.least_length) or (exact and dialect.exact_length is not None)
