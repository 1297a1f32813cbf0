"""llama.cpp (`llama-server`), as of llama.cpp 0.5."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

from tuner.engines.backend import Installation
from tuner.engines.model_source import is_gguf, model_location
from tuner.engines.serving.flavor import ServerFlavor
from tuner.errors import UserError

_PROGRAM = "llama-server"
_SWITCHES = frozenset(
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


class LlamaCpp(ServerFlavor):
    """Reads `.gguf` files; tells its version and its options itself."""

    def model_words(self, model: str) -> list[str]:
        """A file, or a name on the hub."""
        return ["-m" if is_gguf(model) else "-hf", model]

    def locate_model(self, name: str) -> str:
        """The path of the file, or a name on the hub."""
        path = model_location(name)
        if os.path.isdir(path) or (is_gguf(path) and not os.path.isfile(path)):
            raise UserError(f"llama.cpp reads a .gguf file or a name on the hub, not {name}")
        return path if os.path.exists(path) else name

    def installation(self) -> Installation:
        """The program on the PATH."""
        program = shutil.which(_PROGRAM)
        if program is None:
            remedy = "put it there, or attach to a server that runs"
            return Installation(False, None, f"no {_PROGRAM} on the PATH", remedy)
        about = _output(program, "--version")
        found = re.search(r"version: (\d[\w.]*)", about)
        first = about.strip().splitlines()[:1]
        detail = f"{program} ({first[0].strip()})" if first else program
        return Installation(True, found[1] if found else None, detail)

    def known_arguments(self) -> frozenset[str]:
        """Long options, as its help lists them."""
        program = shutil.which(_PROGRAM)
        options = re.findall(r"--([a-z][a-z0-9-]+)", _output(program, "--help")) if program else []
        return frozenset(name.replace("-", "_") for name in options)


def _output(program: str, option: str) -> str:
    try:
        done = subprocess.run(
            [program, option], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout + done.stderr


LLAMA_CPP = LlamaCpp(
    "llama.cpp",
    "llama_cpp",
    (_PROGRAM,),
    switches_off=_SWITCHES,
    exact_length={"ignore_eos": True},
    version_entry="build_info",
    version_paths=("/props",),
    owner="llamacpp",
)
