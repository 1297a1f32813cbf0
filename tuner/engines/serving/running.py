"""A server that runs already, and stays as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx2

from tuner.engines.serving import machine
from tuner.engines.serving.flavor import UNKNOWN, ServerFlavor
from tuner.engines.serving.flavors import SERVERS
from tuner.engines.serving.probe import chat_or_completions
from tuner.errors import UserError
from tuner.measure import EngineFailure, InForce, KeepGoing

if TYPE_CHECKING:
    from tuner.space.contract import Arguments

_PATIENCE_S = 10.0


class RunningServer:
    """Finds out what a running server is.

    Args:
        model: its name there; empty for the only one.
        url: of the server.
        headers: sent with everything.
        started_with: arguments of its start, as far as they are known.

    `pids` is the process that listens there, where it is on this machine and may be seen.
    """

    def __init__(
        self, model: str, url: str, headers: Mapping[str, str], started_with: Mapping[str, Any]
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UserError(f"{url!r} is no address of a server; give one like http://host:8000")
        self.url = url.rstrip("/").removesuffix("/v1")
        self.model = model
        self.flavor: ServerFlavor = UNKNOWN
        self.pids: tuple[int, ...] = ()
        self._started_with = started_with
        self._client = httpx2.Client(
            headers=dict(headers),
            timeout=_PATIENCE_S,
            trust_env=not machine.is_local(url),
            verify=parts.scheme == "https",
        )

    def check(self) -> None:
        """UserError where no server answers."""
        self._models()

    def bring_up(self, arguments: Arguments, keep_going: KeepGoing | None = None) -> InForce:
        """Check that the server is there and as it is wanted; tell what is in force.

        Raises:
            EngineFailure: it was started with other arguments.
            UserError: it does not answer, or has no such model.
        """
        del keep_going  # this takes no time
        for name, value in arguments.load.items():
            if name != "model" and self._started_with.get(name) != value:
                raise EngineFailure(
                    "refused",
                    f"{name}={value}: a running server cannot be told what it is started with; "
                    "launch one, or leave this out of the space",
                )
        served = self._models()
        pid = machine.listener(self.url) if machine.is_local(self.url) else None
        self.pids = () if pid is None else (pid,)
        self.flavor = self._recognise(served)
        asked = str(arguments.load.get("model", self.model))
        names = [str(model.get("id")) for model in served]
        if not self.model and len(names) == 1:
            self.model = names[0]
        if self.model not in names and self.flavor.lists_models:
            known = ", ".join(names) or "no model"
            raise UserError(
                f"the server at {self.url} has no model {self.model!r}; it serves {known}"
            )
        return InForce(
            engine=self.flavor.name,
            version=self.flavor.running_version(self._client, self.url),
            model_asked=asked or self.model,
            model_loaded=self.model,
            arguments=dict(arguments.load),
            url=self.url,
        )

    def guess_api(self) -> str:
        """`chat` where the server takes conversations for this model."""
        return chat_or_completions(self._client, self.url, self.model)

    def warnings(self) -> list[str]:
        """Nothing: its log is not ours."""
        return []

    def log(self) -> str:
        """Nothing."""
        return ""

    def post_mortem(self, patience_s: float) -> EngineFailure | None:
        """A failure where the server does not answer any more."""
        del patience_s
        try:
            self._client.get(f"{self.url}/v1/models")
        except httpx2.HTTPError as error:
            words = f"the server at {self.url} does not answer any more: {error}"
            return EngineFailure("crash", words)
        return None

    def close(self) -> None:
        """Leave it as it is."""

    def _models(self) -> list[Mapping[str, Any]]:
        try:
            reply = self._client.get(f"{self.url}/v1/models")
        except httpx2.HTTPError as error:
            raise UserError(
                f"no server answers at {self.url} ({error or type(error).__name__}); start it, or "
                "correct the address"
            ) from None
        if reply.status_code in (401, 403):
            raise UserError(f"the server at {self.url} wants a key; put it into TUNER_API_KEY")
        try:
            models = reply.json()["data"]
            return [model for model in models if isinstance(model, dict)]
        except (ValueError, KeyError, TypeError):
            if not self._recognise([]).lists_models:
                return []
            raise UserError(
                f"what answers at {self.url} is no OpenAI-compatible server: GET /v1/models gives "
                f"status {reply.status_code}"
            ) from None

    def _recognise(self, served: list[Mapping[str, Any]]) -> ServerFlavor:
        owners = {str(model.get("owned_by")) for model in served}
        by_owner = next((f for f in SERVERS.values() if f.is_running(owners, set())), None)
        if by_owner is not None:
            return by_owner
        paths = self._paths()
        return next((f for f in SERVERS.values() if f.is_running(owners, paths)), UNKNOWN)

    def _paths(self) -> set[str]:
        """The paths that it offers by its own description; none where it has no description."""
        try:
            return {str(p) for p in self._client.get(f"{self.url}/openapi.json").json()["paths"]}
        except (httpx2.HTTPError, ValueError, KeyError, TypeError):
            return set()
