"""`tune doctor`: what this machine can measure, run and change, and what the rest would take."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Annotated

import typer

from tuner.cli.shared import AsJson

if TYPE_CHECKING:
    from tuner.checkup import MachineCheck
    from tuner.measure.machine_noise import MachineNoise

_TITLES = {
    "meters": "Energy meters",
    "gpus": "GPUs",
    "engines": "Engines",
    "extras": "Optional packages",
}
_NAME = 17


def doctor(
    as_json: AsJson = False,
    seconds: Annotated[
        float, typer.Option(min=0.0, help="How long to look at the machine's noise; 0 skips it.")
    ] = 5.0,
) -> None:
    """Say what this machine can measure and run, how steady it is, and what the rest would take."""
    from tuner.checkup import checkup
    from tuner.measure.machine_noise import machine_noise

    checks = checkup()
    noise = machine_noise(seconds) if seconds else None
    if as_json:
        _print_json(checks, noise)
        return
    for group, title in _TITLES.items():
        print(title)
        for check in checks:
            if check.group == group:
                _print(check)
    if noise is not None:
        print("Noise")
        _print_noise(noise)


def _print(check: MachineCheck) -> None:
    remedy = f"; to have it: {check.remedy}" if check.remedy else ""
    _line(check.available, check.name, check.detail.rstrip(".") + remedy)


def _print_noise(noise: MachineNoise) -> None:
    words = (
        f"one job varies by {noise.wall_cv:.1%} in time, {noise.cpu_cv:.1%} in CPU time "
        f"({noise.repeats} times on {noise.cores} cores, load {noise.load:.1f} before)"
    )
    if noise.verdict != "quiet":
        words += "; to have it quiet: end other programs, fix the clock frequencies"
    _line(noise.verdict != "noisy", noise.verdict, words)


def _line(good: bool, name: str, detail: str) -> None:
    import textwrap

    width = max(60, shutil.get_terminal_size((80, 24)).columns)
    first = f"  {'yes' if good else 'no':3}  {name:{_NAME}} "
    lines = textwrap.wrap(
        detail,
        width,
        initial_indent=first,
        subsequent_indent=" " * (7 + _NAME + 1),
        break_long_words=False,
        break_on_hyphens=False,
    )
    print("\n".join(lines))


def _print_json(checks: list[MachineCheck], noise: MachineNoise | None) -> None:
    import json
    from dataclasses import asdict

    answer: dict[str, object] = {group: [] for group in _TITLES}
    for group in _TITLES:
        answer[group] = [asdict(check) for check in checks if check.group == group]
    answer["noise"] = {**asdict(noise), "verdict": noise.verdict} if noise else None
    print(json.dumps(answer))
