"""One way to run an engine: the frozen, canonical, hashable answer to every active parameter."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tuner.features import Value

__all__ = ["Configuration", "Value"]


@dataclass(frozen=True, order=True)
class Configuration(Mapping[str, Value]):
    """The active parameters of a space and their values, in the order of their names.

    Inactive parameters are absent, so two configurations that mean the same are equal, hash
    alike and share one `key`. Make one through a space (`space.decode`, `space.configuration`),
    which brings it into canonical form; the constructor only freezes what it is given.

    Attributes:
        items_: pairs of parameter name and value, sorted by name.

    """

    items_: tuple[tuple[str, Value], ...]
    _index: dict[str, Value] = field(init=False, repr=False, compare=False, hash=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "items_", tuple(sorted(self.items_)))
        object.__setattr__(self, "_index", dict(self.items_))

    @classmethod
    def of(cls, values: Mapping[str, Value]) -> Configuration:
        """Freeze a mapping of parameter names to values."""
        return cls(tuple(values.items()))

    def __getitem__(self, name: str) -> Value:
        return self._index[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._index)

    def __len__(self) -> int:
        return len(self._index)

    @property
    def key(self) -> str:
        """Sixteen hexadecimal digits that name this configuration in files and logs."""
        text = json.dumps(self.items_, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def __str__(self) -> str:
        return ", ".join(f"{name}={_show(value)}" for name, value in self.items_)


def _show(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)
