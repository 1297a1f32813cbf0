"""SGLang 0.5 (`sglang.launch_server`), from its own sources."""

from __future__ import annotations

from tuner.engines.backend import Installation
from tuner.engines.installed_source import (
    annotated_fields,
    classes_in,
    package_folder,
    package_version,
)
from tuner.engines.serving.flavor import ServerFlavor


class Sglang(ServerFlavor):
    """Switches have no negation: what is off by default is not named."""

    def installation(self) -> Installation:
        """The installed package."""
        version = package_version("sglang")
        if version is None:
            return Installation(
                False, None, "not installed here", "pip install sglang (wants a GPU)"
            )
        return Installation(True, version, version)

    def known_arguments(self) -> frozenset[str]:
        """Options of the server, which are declared in groups."""
        folder = package_folder("sglang")
        files = [] if folder is None else (folder / "srt" / "arg_groups" / "fields").glob("*.py")
        return frozenset(
            name for file in files for node in classes_in(file) for name in annotated_fields(node)
        )


SGLANG = Sglang(
    "sglang",
    "sglang",
    ("python3", "-m", "sglang.launch_server"),
    ("--model-path",),
    runs_model_code=True,
    exact_length={"ignore_eos": True},
    least_length="min_tokens",
    version_entry="version",
    version_paths=("/server_info", "/get_server_info"),
    owner="sglang",
)
