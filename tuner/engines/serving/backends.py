"""Servers as something that can be tuned: one that is launched, and one that runs already."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuner.engines.backend import EnginePolicy, ExportedFile, Installation
from tuner.engines.model_source import resolve_models
from tuner.engines.serving.flavor import nested
from tuner.engines.serving.flavors import server_named

if TYPE_CHECKING:
    from tuner.engines.serving.flavor import ServerFlavor
    from tuner.engines.serving.server_engine import ServerEngine
    from tuner.measure import InForce
    from tuner.space import Arguments, SearchSpace

PORT = 8000
"""Where a recommended server listens, in the script that starts it."""

_LAUNCHED = EnginePolicy(restarts=True)
_RUNNING = EnginePolicy()


@dataclass(frozen=True)
class LaunchedServerBackend:
    """A server that is started for each configuration.

    Attributes:
        server: its name, a key of `tuner.engines.serving.flavors.SERVERS`.
        names: models as a user names them.
        command: words that start it in place of its own program; empty for that.
        trust_remote_code: whether Python code that comes with a model may run.
    """

    server: str
    names: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    trust_remote_code: bool = False
    policy: EnginePolicy = _LAUNCHED

    @property
    def flavor(self) -> ServerFlavor:
        """How this server is started and asked."""
        return server_named(self.server)

    @property
    def space(self) -> str:
        """The server's feature model."""
        return self.flavor.space

    def models(self) -> tuple[str, ...]:
        """The models, resolved."""
        return resolve_models(self.names, self.trust_remote_code)

    def open(self, space: SearchSpace) -> ServerEngine:
        """An engine; the server starts with the first configuration."""
        from tuner.engines.serving.server_engine import ServerEngine

        del space
        engine = ServerEngine(
            self.models()[0],
            launch=self.server,
            command=self.command or None,
            trust_remote_code=self.trust_remote_code,
        )
        engine.check()
        return engine

    def installation(self) -> Installation | None:
        """What is installed of the server; None where a command of the user's own starts it."""
        return None if self.command else self.flavor.installation()

    def export(self, arguments: Arguments, in_force: InForce) -> list[ExportedFile]:
        """`serve.sh` starts the server on port 8000; `request.json` has the fields of a request."""
        line = shlex.join(_with_port(in_force.command_line, PORT))
        script = ExportedFile("serve.sh", f"#!/bin/sh\nexec {line}\n", executable=True)
        return [script, *self.flavor.export(arguments), *_request_file(arguments)]


@dataclass(frozen=True)
class RunningServerBackend:
    """A server that runs already: only what is sent with requests can be chosen.

    Attributes:
        url: of the server.
        model: its name there; empty for the only one.
    """

    url: str
    model: str = ""
    space: str = "openai"
    policy: EnginePolicy = _RUNNING

    def models(self) -> tuple[str, ...]:
        """None: the server has its own."""
        return ()

    def open(self, space: SearchSpace) -> ServerEngine:
        """An engine that drives the server, which has to answer now."""
        from tuner.engines.serving.server_engine import ServerEngine

        started_with = space.arguments(space.default).load
        engine = ServerEngine(self.model, url=self.url, started_with=started_with)
        engine.check()
        return engine

    def installation(self) -> None:
        """What is installed here says nothing of a server that runs."""

    def export(self, arguments: Arguments, in_force: InForce) -> list[ExportedFile]:
        """`request.json`: the fields of a request."""
        del in_force
        return _request_file(arguments)


def _with_port(command_line: tuple[str, ...], port: int) -> list[str]:
    """The words of a server's command line with another port."""
    words = list(command_line)
    words[words.index("--port") + 1] = str(port)
    return words


def _request_file(arguments: Arguments) -> list[ExportedFile]:
    if not arguments.request:
        return []
    text = json.dumps(nested(arguments.request), indent=2, allow_nan=False)
    return [ExportedFile("request.json", text + "\n")]
