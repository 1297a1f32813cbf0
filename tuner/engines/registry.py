"""Which backend a study has, and what is installed of every engine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from tuner.engines.backend import Backend, Installation
from tuner.engines.command_backend import CommandBackend
from tuner.engines.command_line import split_command
from tuner.engines.serving.backends import LaunchedServerBackend, RunningServerBackend
from tuner.engines.serving.flavors import SERVERS
from tuner.engines.transformers_backend import TransformersBackend
from tuner.errors import UserError


class EngineChoice(Protocol):
    """What a user says of the engine: the fields of a study's specification that decide it."""

    @property
    def models(self) -> tuple[str, ...]:
        """Models, as a user names them."""

    @property
    def launch(self) -> str | None:
        """The server to start for each configuration."""

    @property
    def launch_command(self) -> str | None:
        """How it is called, where its own name does not do."""

    @property
    def url(self) -> str | None:
        """Address of a server that runs already."""

    @property
    def command(self) -> str | None:
        """A command template."""

    @property
    def trust_remote_code(self) -> bool:
        """Whether a model's own Python code may run."""


def choose_backend(spec: EngineChoice) -> Backend:
    """The backend that a specification asks for.

    Raises:
        UserError: it asks for two at once, for a server that nobody knows, or names no model where
            one is needed.
    """
    chosen = [name for name in ("launch", "url", "command") if getattr(spec, name)]
    if len(chosen) > 1:
        raise UserError(f"only one of {' and '.join(chosen)} can be tuned at a time.")
    if spec.command:
        return CommandBackend(spec.command)
    if spec.url:
        return RunningServerBackend(spec.url, next(iter(spec.models), ""))
    if not spec.models:
        raise UserError("no models: name one, a folder or a hub id.")
    if spec.launch is None:
        return TransformersBackend(spec.models, spec.trust_remote_code)
    if spec.launch not in SERVERS:
        raise UserError(f"launch takes one of {', '.join(SERVERS)}.")
    command = tuple(split_command(spec.launch_command)) if spec.launch_command else ()
    return LaunchedServerBackend(spec.launch, spec.models, command, spec.trust_remote_code)


def installations() -> Iterator[tuple[str, Installation]]:
    """Every engine that can be installed, with what is installed of it here."""
    for name, flavor in SERVERS.items():
        yield name, flavor.installation()


def installed_version(engine: str) -> str | None:
    """The installed release of an engine, by its name in feature models; None where there is none.

    `transformers` is one name for both ways to run it, since both are one package.
    """
    return SERVERS[engine].installation().version if engine in SERVERS else None


def known_arguments(engine: str) -> frozenset[str]:
    """Arguments that the installed release of an engine takes; empty where that is unknown."""
    return SERVERS[engine].known_arguments() if engine in SERVERS else frozenset()
