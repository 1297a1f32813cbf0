"""`tune gpu`: what GPUs can be set to, and setting them back by hand."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from tuner.cli.shared import AsJson, group
from tuner.errors import UserError

if TYPE_CHECKING:
    from tuner.hardware import GpuLimits

app = group("gpu", "See what GPUs are set to and can be set to, and set them back.")


@app.command()
def show(
    as_json: AsJson = False,
) -> None:
    """Show clocks and power limits, who may change them, and what was left changed."""
    from tuner.hardware import domains, left_over, may_control, supported, under_control

    gpus = supported()
    left, used = left_over(), under_control()
    if as_json:
        answer = {
            "gpus": [asdict(gpu) for gpu in gpus],
            "domains": domains(gpus),
            "may_control": may_control(),
            "under_control": [asdict(journal) for journal in used],
            "left_over": [asdict(journal) for journal in left],
        }
        print(json.dumps(answer))
        return
    for gpu in gpus:
        _print(gpu)
    print("Locked clocks in force cannot be shown: NVML does not tell them.")
    if may_control():
        print("This user may change settings (root with CAP_SYS_ADMIN).")
    else:
        print("This user may not change settings: that takes root, in containers CAP_SYS_ADMIN.")
    for journal in used:
        print(f"{journal.uuid} is controlled by process {journal.pid} since {journal.began}.")
    for journal in left:
        print(
            f"LEFT CHANGED: {journal.uuid}, by process {journal.pid} since {journal.began}. "
            "`tune gpu restore` sets it back."
        )


def _print(gpu: GpuLimits) -> None:
    print(f"{gpu.uuid}  {gpu.name}")
    if gpu.power_limits_w is None or gpu.power_limit_w is None:
        print("  power limit      cannot be set")
    else:
        low, high = gpu.power_limits_w
        default = gpu.default_power_limit_w
        usual = "" if default is None else f"; {default:g} W by default"
        print(f"  power limit      {gpu.power_limit_w:g} W, from {low:g} to {high:g} W{usual}")
    print(f"  graphics clocks  {_clocks(gpu.gpu_clocks_mhz, gpu.gpu_clock_mhz)}")
    print(f"  memory clocks    {_clocks(gpu.memory_clocks_mhz, gpu.memory_clock_mhz)}")
    words = {True: "on", False: "off: the driver forgets settings when no program uses the GPU"}
    if gpu.persistence_mode is not None:
        print(f"  persistence mode {words[gpu.persistence_mode]}")


def _clocks(supported: tuple[int, ...], now: int | None) -> str:
    running = "" if now is None else f"; {now} MHz now"
    if not supported:
        return f"none that can be locked{running}"
    if len(supported) <= 4:
        return f"{', '.join(map(str, supported))} MHz{running}"
    return f"{len(supported)} from {supported[0]} to {supported[-1]} MHz{running}"


@app.command("restore")
def restore_all() -> None:
    """Set back what a killed tuner left changed."""
    from tuner.hardware import left_over, restore

    journals = left_over()
    if not journals:
        print("There is nothing to restore: no GPU was left changed.")
    failures = []
    for journal in journals:
        try:
            print(restore(journal))
        except UserError as error:
            failures.append(str(error))
    if failures:
        raise UserError("\n".join(failures))
