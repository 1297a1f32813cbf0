"""What is in force while a configuration is measured: a record of what ran, told by the engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

_LISTS = ("gpus", "command_line", "warnings")


@dataclass(frozen=True)
class InForce:
    """The engine, the model and the arguments behind a measurement.

    Attributes:
        engine: name of the engine, for instance `transformers` or `vllm`; empty while none runs.
        version: release of the engine in its own words; None where it does not tell.
        libraries: versions of the packages it runs on (`torch`, `python`), by name.
        device: `cpu`, `cuda`, or `elsewhere` where the engine's processes cannot be seen.
        gpus: UUIDs of the GPUs that it uses, as NVML writes them.
        model_asked: the model as the configuration names it (`builtin:small`, a hub id).
        model_loaded: what the engine was told to load or answers to (a path, a served name).
        arguments: what is in force of the arguments that a configuration gives at load time, for
            the driver of the requests and for the hardware; the engine's own value where it says.
        request: what is in force with each request: sampling parameters, generation settings.
        command_line: words that started the engine; empty where it was not started here.
        url: address of a server that already ran; empty for others.
        warnings: what the engine warned of, each message once.
        details: further facts for the record (parameters of the model, load time, API, windows).
    """

    engine: str = ""
    version: str | None = None
    libraries: Mapping[str, str] = field(default_factory=dict)
    device: str = ""
    gpus: tuple[str, ...] = ()
    model_asked: str = ""
    model_loaded: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    request: Mapping[str, Any] = field(default_factory=dict)
    command_line: tuple[str, ...] = ()
    url: str = ""
    warnings: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; `from_dict` reads them back equal."""
        return {**asdict(self), **{name: list(getattr(self, name)) for name in _LISTS}}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> InForce:
        """Read what `to_dict` wrote."""
        return cls(**{**data, **{name: tuple(data[name]) for name in _LISTS if name in data}})

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> InForce:
        """Read the free dictionary that stood here in studies of releases before this record."""
        known = {f.name for f in fields(cls)} - {"details", "arguments"}
        read = {name: value for name, value in settings.items() if name in known}
        rest = {name: value for name, value in settings.items() if name not in known}
        return cls.from_dict({**read, "details": rest})
