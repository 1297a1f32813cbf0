"""What is installed of transformers: its release, and the arguments that it takes."""

from __future__ import annotations

import ast
import os
from importlib.metadata import version

from tuner.engines.backend import Installation
from tuner.engines.installed_source import class_definition


def transformers_installation() -> Installation:
    """The installed transformers; the tuner needs it, so there always is one."""
    cpus = len(os.sched_getaffinity(0))
    release = version("transformers")
    detail = f"{release}, torch {version('torch')}, {cpus} CPUs"
    return Installation(True, release, detail)


def transformers_arguments() -> frozenset[str]:
    """Options of `transformers serve`, and generation settings with their prefix."""
    serve = class_definition("transformers", "cli/serve.py", "Serve")
    config = class_definition(
        "transformers", "generation/configuration_utils.py", "GenerationConfig"
    )
    if serve is None or config is None:
        return frozenset()
    options = {
        argument.arg
        for node in serve.body
        if isinstance(node, ast.FunctionDef) and node.name == "__init__"
        for argument in node.args.args
    }
    settings = {
        f"generation_config.{node.attr}"
        for node in ast.walk(config)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    }
    return frozenset(options | settings)
