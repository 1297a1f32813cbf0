"""What this machine allows: pins and domains for the features of role `context`."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from importlib import util

from tuner.features import FeatureModel
from tuner.space.configuration import Value

_PACKAGES = {
    "flash_attn_installed": "flash_attn",
    "quanto_installed": "optimum.quanto",
    "hqq_installed": "hqq",
    "bitsandbytes_installed": "bitsandbytes",
}


def environment_pins(model: FeatureModel, engine_version: str | None = None) -> dict[str, Value]:
    """Pins for what this machine fixes: processors, accelerator, packages, engine version.

    Only features that the model has are pinned: `cpus`, `gpus`, `accelerator`, the packages and
    the kinds of GPUs by the names that the shipped models give them, and to False every feature
    whose attributes `since` and `until` leave out the engine's version, where that is known.
    """
    probes: dict[str, Callable[[], Value]] = {
        "cpus": lambda: _at_most(usable_cpus(), _domain(model, "cpus")),
        "gpus": lambda: _at_most(_gpus(), _domain(model, "gpus")),
        "accelerator": lambda: _gpus() > 0,
        "fp8_hardware": lambda: _capability() >= (8, 9),
        "flash_attention_3_hardware": lambda: (8, 0) <= _capability() < (10, 0),
        "tensorrt_hardware": lambda: _capability() >= (9, 0),
    }
    for feature, package in _PACKAGES.items():
        probes[feature] = partial(_installed, package)
    pins = {name: probe() for name, probe in probes.items() if name in model.features}
    if engine_version is not None:
        pins |= dict.fromkeys(missing_in(model, engine_version), False)
    return pins


def environment_domains(model: FeatureModel) -> dict[str, Sequence[Value]]:
    """Domains that depend on this machine: `threads` ends with the number of its processors.

    The first value is the default, which is what the engine takes unasked.
    """
    if "threads" not in model.features:
        return {}
    cpus = usable_cpus()
    return {"threads": (cpus, *(v for v in _domain(model, "threads") if v < cpus))}


def request_pins(model: FeatureModel, tokens: int) -> dict[str, Value]:
    """Pins for requests of at most so many tokens, prompt and answer together.

    `longest_request` becomes the least of its values that is large enough, or else the largest.
    """
    if "longest_request" not in model.features:
        return {}
    values = _domain(model, "longest_request")
    return {"longest_request": min((v for v in values if v >= tokens), default=max(values))}


def missing_in(model: FeatureModel, version: str) -> list[str]:
    """The features that this version of the engine has not, by `since` and `until`.

    A feature exists from `since` on, up to and with `until`.
    """
    from packaging.version import Version

    here = Version(version)

    def exists(name: str) -> bool:
        attributes = model.features[name].attributes
        since, until = attributes.get("since"), attributes.get("until")
        return not (
            (since is not None and here < Version(str(since)))
            or (until is not None and here > Version(str(until)))
        )

    return [name for name in model.features if not exists(name)]


def usable_cpus() -> int:
    """Processors that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _gpus() -> int:
    import torch

    return int(torch.cuda.device_count())


def _capability() -> tuple[int, int]:
    """The least compute capability of the GPUs; (0, 0) where there is none."""
    import torch

    each = [torch.cuda.get_device_capability(i) for i in range(_gpus())]
    return min(each, default=(0, 0)) if torch.version.cuda else (0, 0)


def _installed(package: str) -> bool:
    try:
        return util.find_spec(package) is not None
    except ModuleNotFoundError:
        return False


def _at_most(number: int, values: list[int]) -> int:
    """The largest of the values that is no larger than the number, or else the smallest."""
    return max((value for value in values if value <= number), default=min(values))


def _domain(model: FeatureModel, name: str) -> list[int]:
    return [int(value) for value in model.features[name].domain]
