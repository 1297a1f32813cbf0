"""What this machine can measure, run and change, and what the rest would take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tuner.engines.installed_source import package_version
from tuner.engines.registry import installations, installed_version, known_arguments
from tuner.errors import UserError
from tuner.hardware import may_control, supported
from tuner.measure import probe_meters
from tuner.space import (
    engine_of,
    load_model,
    shipped_spaces,
    unknown_arguments,
    version_warning,
)

_EXTRAS = {
    "lm_eval": ("tasks of lm-evaluation-harness", "pip install 'llm-pareto-tuner[lm-eval]'"),
    "rouge-score": ("graders rouge1 to rougeL", "pip install 'llm-pareto-tuner[rouge]'"),
    "optimum-quanto": ("quantised caches", "pip install optimum-quanto"),
    "hqq": ("quantised caches", "pip install hqq"),
}


@dataclass(frozen=True)
class MachineCheck:
    """One thing that is there or not.

    Attributes:
        group: `meters`, `gpus`, `engines` or `extras`.
        name: what was looked for.
        available: whether it is there.
        detail: what there is, or why there is nothing.
        remedy: what would make it available; empty where it is, or where nothing would.

    """

    group: str
    name: str
    available: bool
    detail: str
    remedy: str = ""


def checkup() -> list[MachineCheck]:
    """Look at everything once, in a few seconds; nothing is changed and nothing fetched."""
    meters = [
        MachineCheck("meters", m.name, m.available, m.detail, m.remedy) for m in probe_meters()
    ]
    return [*meters, *_gpus(), *_engines(), *_spaces(), *_extras()]


def _gpus() -> Iterator[MachineCheck]:
    try:
        gpus = supported()
    except UserError as error:
        yield MachineCheck("gpus", "NVIDIA GPU", False, str(error))
        return
    for gpu in gpus:
        limit = f"{gpu.power_limit_w:.0f} W" if gpu.power_limit_w is not None else "unknown"
        yield MachineCheck("gpus", gpu.name, True, f"{gpu.uuid}, power limit {limit}")
    may = may_control()
    remedy = "" if may else "run as root; in containers with CAP_SYS_ADMIN"
    words = "may" if may else "may not"
    yield MachineCheck("gpus", "clocks and power", may, f"this user {words} set them", remedy)


def _engines() -> Iterator[MachineCheck]:
    for name, found in installations():
        yield MachineCheck("engines", name, found.available, found.detail, found.remedy)


def _spaces() -> Iterator[MachineCheck]:
    """The shipped feature models that do not fit the engine that is installed."""
    for name in shipped_spaces():
        model = load_model(name)
        engine = engine_of(model)
        warning = version_warning(model, installed_version(engine))
        unknown = unknown_arguments(model, known_arguments(engine))
        words = [warning] if warning else []
        if unknown:
            words.append(f"{name}.uvl has what the installed engine lacks: {', '.join(unknown)}")
        if words:
            remedy = "another release, or a space of your own (--space FILE)"
            yield MachineCheck("engines", f"space {name}", False, " ".join(words), remedy)


def _extras() -> Iterator[MachineCheck]:
    for package, (what, remedy) in _EXTRAS.items():
        found = package_version(package)
        detail = f"{found}, for {what}" if found else f"for {what}"
        yield MachineCheck("extras", package, found is not None, detail, "" if found else remedy)
