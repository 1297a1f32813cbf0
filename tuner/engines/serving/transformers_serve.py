"""`transformers serve`, as of transformers 5.23."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Mapping, Set
from typing import TYPE_CHECKING, Any

from tuner.engines.backend import Installation
from tuner.engines.serving.flavor import ServerFlavor
from tuner.engines.transformers_installed import transformers_arguments, transformers_installation
from tuner.errors import UserError

if TYPE_CHECKING:
    import httpx2

    from tuner.space.contract import Arguments
    from tuner.workloads import Request

_PREFIX = "generation_config."


class TransformersServe(ServerFlavor):
    """Takes generation settings as a JSON text, loads any model, and may batch continuously."""

    def device_options(self, device: str) -> dict[str, Any]:
        """`--device`."""
        return {"device": device}

    def fixed_by_first_request(self, arguments: Arguments) -> Any:
        """The sampling, while it batches continuously.

        See `CBGenerateManager.init_cb` in transformers/cli/serving/utils.py.
        """
        return dict(arguments.request) if self.batches_continuously(arguments.load) else None

    def check_installed(self) -> None:
        """What it needs to serve comes with an extra."""
        needed = ("fastapi", "uvicorn", "openai")
        missing = [name for name in needed if importlib.util.find_spec(name) is None]
        if missing:
            raise UserError(
                f"`transformers serve` lacks {', '.join(missing)}: install "
                "`llm-pareto-tuner[serve]`"
            )

    def is_running(self, owners: Set[str], paths: Set[str]) -> bool:
        """By what only it offers: it names no owner."""
        del owners
        return {"/load_model", "/v1/completions"} <= paths

    @property
    def lists_models(self) -> bool:
        """It loads whatever a request names."""
        return False

    def running_version(self, client: httpx2.Client, url: str) -> str | None:
        """It does not tell; where it is launched by the tuner it is the installed one."""
        del client, url
        return None

    def batches_continuously(self, load: Mapping[str, Any]) -> bool:
        """It then takes no least length, and can only forgo the end token."""
        return bool(load.get("continuous_batching"))

    def request_body(
        self,
        api: str,
        model: str,
        request: Request,
        arguments: Mapping[str, Any],
        *,
        seed: int,
        paged: bool,
        own_settings: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Settings `generation_config.x` go into a JSON text, which replaces the model's own."""
        body = self._head(api, model, request, seed)
        settings: dict[str, Any] = {}
        for name, value in arguments.items():
            if name.startswith(_PREFIX):
                settings[name.removeprefix(_PREFIX)] = value
            else:
                body[name] = value
        most = request.max_tokens or body.get("max_tokens") or settings.get("max_new_tokens")
        most = most or own_settings.get("max_new_tokens")
        if most is not None:
            body["max_tokens"] = most
        if request.min_tokens and not paged:
            settings["min_new_tokens"] = request.min_tokens
        elif request.min_tokens and request.min_tokens == most:
            settings["eos_token_id"] = -1
        if settings:
            body["generation_config"] = json.dumps({**own_settings, **settings})
        return body

    def can_lengthen(self, request: Request, *, paged: bool) -> bool:
        """Any least length; only an exact one while it batches continuously."""
        exact = request.min_tokens == request.max_tokens
        return not request.min_tokens or exact or not paged

    def installation(self) -> Installation:
        """The installed transformers, which the tuner needs as well."""
        return transformers_installation()

    def known_arguments(self) -> frozenset[str]:
        """Its options, and generation settings with their prefix."""
        return transformers_arguments()


TRANSFORMERS_SERVE = TransformersServe(
    "transformers",
    "transformers_serve",
    (sys.executable, "-m", "transformers.cli.transformers"),
    ("serve",),
    switches_off=None,
    stream_options=False,
    runs_model_code=True,
)
