"""transformers in a process of the tuner's own, as something that can be tuned."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuner.engines.backend import EnginePolicy, ExportedFile, Installation
from tuner.engines.model_source import is_gguf, resolve_models
from tuner.errors import UserError

if TYPE_CHECKING:
    from tuner.engines.transformers_engine import TransformersEngine
    from tuner.measure import InForce
    from tuner.space import Arguments, SearchSpace

CALL_ARGUMENTS = frozenset({"assistant_model"})
"""Request arguments that `generate` takes in the call and refuses in a generation config."""

_POLICY = EnginePolicy(greedy_by_default=True)


@dataclass(frozen=True)
class TransformersBackend:
    """Any causal language model of transformers, in process.

    Attributes:
        names: models as a user names them.
        trust_remote_code: whether Python code that comes with a model may run.
    """

    names: tuple[str, ...] = ()
    trust_remote_code: bool = False
    space: str = "transformers"
    policy: EnginePolicy = _POLICY

    def models(self) -> tuple[str, ...]:
        """The models, resolved.

        Raises:
            UserError: as `resolve_models` does, and for GGUF files.
        """
        models = resolve_models(self.names, self.trust_remote_code)
        for name in filter(is_gguf, models):
            raise UserError(
                f"--model {name}: GGUF files are run by llama.cpp; add --launch llama.cpp. In "
                "process they would be unpacked to full size and be another model to tune; for "
                "that, write a folder once with tools/gguf_to_folder.py and name it."
            )
        return models

    def open(self, space: SearchSpace) -> TransformersEngine:
        """An engine; its process starts with the first configuration."""
        from tuner.engines.transformers_engine import TransformersEngine

        del space
        return TransformersEngine(trust_remote_code=self.trust_remote_code)

    def installation(self) -> Installation:
        """The installed transformers."""
        from tuner.engines.transformers_installed import transformers_installation

        return transformers_installation()

    def export(self, arguments: Arguments, in_force: InForce) -> list[ExportedFile]:
        """`generation_config.json`, which `GenerationConfig.from_pretrained` reads.

        It holds what was in force, the checkpoint's own settings included.
        """
        asked = arguments.request if not in_force.request else in_force.request
        settings = {k: v for k, v in asked.items() if k not in CALL_ARGUMENTS}
        return [ExportedFile("generation_config.json", _written(settings))] if settings else []


def _written(settings: Mapping[str, Any]) -> str:
    from transformers import GenerationConfig

    config = GenerationConfig.from_dict(dict(settings))
    return json.dumps(json.loads(config.to_json_string()), indent=2, sort_keys=True) + "\n"
