"""What differs between OpenAI-compatible servers: how each is started, asked and exported."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuner.engines.backend import ExportedFile, Installation
from tuner.engines.model_source import check_model, model_location

if TYPE_CHECKING:
    import httpx2

    from tuner.space.contract import Arguments
    from tuner.workloads import Request


@dataclass(frozen=True)
class ServerFlavor:
    """One kind of server. The defaults are those of a server that nothing is known of.

    A kind with ways of its own is a subclass that overrides the method concerned; see the modules
    beside this one.

    Attributes:
        name: as `--launch` calls it.
        space: name of its shipped feature model.
        program: what starts it, where the user names nothing else; empty where it cannot be.
        subcommand: the words between that and the model.
        switches_off: names of the options that have a `--no-...` form, or None where all have;
            other options are left out where they are false.
        nests: whether an option `a.b` is the entry `b` of a JSON option `--a`.
        stream_options: whether the number of tokens has to be asked for.
        runs_model_code: whether it can be told to run the Python code that comes with a model.
        exact_length: fields that let an answer end only where it may have no more tokens.
        least_length: the field for the least number of tokens; empty where there is none.
        version_entry: what it calls its version.
        version_paths: where it tells it, the present place first.
        owner: what it calls the owner of its models in `/v1/models`.

    """

    name: str = "unknown"
    space: str = "openai"
    program: tuple[str, ...] = ()
    subcommand: tuple[str, ...] = ()
    switches_off: frozenset[str] | None = frozenset()
    nests: bool = False
    stream_options: bool = True
    runs_model_code: bool = False
    exact_length: Mapping[str, Any] | None = None
    least_length: str = ""
    version_entry: str = ""
    version_paths: tuple[str, ...] = ()
    owner: str = ""

    # How it is started

    def command_line(
        self, command: Sequence[str] | None, model: str, port: int, options: Mapping[str, Any]
    ) -> list[str]:
        """The words that start the server; no shell sees them.

        Args:
            command: in place of `program`; the subcommand may be there or not.
            model: a folder, a file or a name.
            port: where it listens, on 127.0.0.1 only.
            options: their names in snake case; None leaves one to the server.
        """
        words = [*(command or self.program)]
        if tuple(words[-len(self.subcommand) :]) != self.subcommand:
            words += self.subcommand
        words += [*self.model_words(model), "--host", "127.0.0.1", "--port", str(port)]
        nested: dict[str, dict[str, Any]] = {}
        for name, value in options.items():
            if value is None:
                continue
            if self.nests and "." in name:
                outer, _, inner = name.partition(".")
                nested.setdefault(outer, {})[inner] = value
            else:
                words += self._option(name, value)
        for name, entries in nested.items():
            words += [f"--{_kebab(name)}", json.dumps(entries)]
        return words

    def model_words(self, model: str) -> list[str]:
        """The words that name the model."""
        return [model]

    def locate_model(self, name: str) -> str:
        """Where the model is, in words that the server understands.

        Raises `UserError` where there is no such model.
        """
        check_model(name)
        location = model_location(name)
        return location if os.path.exists(location) else name

    def device_options(self, device: str) -> dict[str, Any]:
        """Options that tell it which device to use; empty where it cannot be told."""
        del device
        return {}

    def fixed_by_first_request(self, arguments: Arguments) -> Any:
        """What it takes from its first request and keeps for all others; None for nothing."""
        del arguments
        return None

    def check_installed(self) -> None:
        """Raise `UserError` where packages are missing that only a start would show."""

    # How it is recognised and asked

    def is_running(self, owners: Set[str], paths: Set[str]) -> bool:
        """Whether a running server is of this kind.

        Args:
            owners: of the models that it lists.
            paths: that it offers by `/openapi.json`; empty where it has none.
        """
        del paths
        return bool(self.owner) and self.owner in owners

    @property
    def lists_models(self) -> bool:
        """Whether `/v1/models` names every model that it can answer with."""
        return True

    def running_version(self, client: httpx2.Client, url: str) -> str | None:
        """Its version in its own words; None where it does not tell."""
        import httpx2

        for path in self.version_paths:
            try:
                version = client.get(url + path).json()[self.version_entry]
            except (httpx2.HTTPError, ValueError, KeyError, TypeError):
                continue
            return str(version)
        return None

    def batches_continuously(self, load: Mapping[str, Any]) -> bool:
        """Whether a start with these options changes how lengths of answers can be asked for."""
        del load
        return False

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
        """What is sent for one request.

        Args:
            api: `chat` or `completions`.
            model: as the server calls it.
            request: its lengths overrule the arguments'.
            arguments: request parameters of the configuration.
            seed: of the sampling.
            paged: what `batches_continuously` says of its start.
            own_settings: generation settings that came with the model's weights.
        """
        body = {**self._head(api, model, request, seed), **arguments}
        most = request.max_tokens or body.get("max_tokens") or own_settings.get("max_new_tokens")
        if most is not None:
            body["max_tokens"] = most
        if request.min_tokens:
            if self.least_length:
                body[self.least_length] = request.min_tokens
            if request.min_tokens == most:
                body |= self.exact_length or {}
        return body

    def can_lengthen(self, request: Request, *, paged: bool) -> bool:
        """Whether it can be told the least length that a request asks for."""
        if not request.min_tokens:
            return True
        exact = request.min_tokens == request.max_tokens
        return bool(self.least_length) or (exact and self.exact_length is not None)

    # What is installed, and what is exported

    def installation(self) -> Installation:
        """What is installed of it here."""
        return Installation(False, None, "not installed here")

    def known_arguments(self) -> frozenset[str]:
        """Names of the options that the installed release takes; empty where that is unknown."""
        return frozenset()

    def export(self, arguments: Arguments) -> list[ExportedFile]:
        """Files that only this kind of server reads."""
        del arguments
        return []

    def _head(self, api: str, model: str, request: Request, seed: int) -> dict[str, Any]:
        body: dict[str, Any] = {"model": model, "stream": True, "seed": seed}
        if api == "chat":
            body["messages"] = [{"role": "user", "content": request.prompt}]
        else:
            body["prompt"] = request.prompt
        if self.stream_options:
            body["stream_options"] = {"include_usage": True}
        return body

    def _option(self, name: str, value: Any) -> list[str]:
        if value is True:
            return [f"--{_kebab(name)}"]
        if value is False:
            has_negation = self.switches_off is None or name in self.switches_off
            return [f"--no-{_kebab(name)}"] if has_negation else []
        return [f"--{_kebab(name)}", str(value)]


UNKNOWN = ServerFlavor()
"""A running server of a kind that nothing is known of."""


def nested(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments with the ones that belong together in one object: `a.b` becomes `b` in `a`."""
    found: dict[str, Any] = {}
    for name, value in arguments.items():
        outer, dot, inner = name.partition(".")
        if dot:
            found.setdefault(outer, {})[inner] = value
        else:
            found[name] = value
    return found


def _kebab(name: str) -> str:
    return name.replace("_", "-")
