"""vLLM 0.33 (`vllm serve`), from its own sources."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tuner.engines.backend import ExportedFile, Installation
from tuner.engines.installed_source import annotated_fields, class_definition, package_version
from tuner.engines.serving.flavor import ServerFlavor, nested

if TYPE_CHECKING:
    from tuner.space.contract import Arguments

_DECLARED = (
    ("", "engine/arg_utils.py", "EngineArgs"),
    ("compilation_config.", "config/compilation.py", "CompilationConfig"),
    ("speculative_config.", "config/speculative.py", "SpeculativeConfig"),
)
"""Classes whose fields are the options, with the prefix under which feature models name them."""


class Vllm(ServerFlavor):
    """Options nest, all switches have a negation, and there is a configuration file."""

    def installation(self) -> Installation:
        """The installed package."""
        version = package_version("vllm")
        if version is None:
            return Installation(False, None, "not installed here", "pip install vllm (wants a GPU)")
        return Installation(True, version, version)

    def known_arguments(self) -> frozenset[str]:
        """Options of `vllm serve`, and the entries of the two that are nested."""
        found = [(prefix, class_definition("vllm", path, name)) for prefix, path, name in _DECLARED]
        if any(node is None for _, node in found):
            return frozenset()
        return frozenset(
            prefix + name for prefix, node in found if node for name in annotated_fields(node)
        )

    def export(self, arguments: Arguments) -> list[ExportedFile]:
        """`config.yaml`, for `vllm serve --config config.yaml`."""
        options = nested({k: v for k, v in arguments.load.items() if k != "model"})
        entries = {"model": arguments.load.get("model", ""), **options}
        lines = [f"{name.replace('_', '-')}: {json.dumps(v)}\n" for name, v in entries.items()]
        return [ExportedFile("config.yaml", "".join(lines))]


VLLM = Vllm(
    "vllm",
    "vllm",
    ("vllm",),
    ("serve",),
    switches_off=None,
    nests=True,
    runs_model_code=True,
    exact_length={"ignore_eos": True},
    least_length="min_tokens",
    version_entry="version",
    version_paths=("/version",),
    owner="vllm",
)
