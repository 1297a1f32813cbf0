"""A tuner in miniature that tests kill: takes control, changes settings, gives back; over again."""

from __future__ import annotations

import random
import signal
import sys
import time

from tuner.hardware import SETTINGS, GpuControl

LEVELS = {
    "gpu_clock_mhz": (0, 345, 1410, 1980),
    "memory_clock_mhz": (0, 1593, 2619),
    "power_limit_w": (0, 100, 200.5, 349),
}


def main(how: str, seed: str) -> None:
    # Whoever runs the tests may ignore these signals (nohup, a shell's background jobs).
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    draw = random.Random(seed)
    if how == "handler":
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(7))
    print("begins", flush=True)
    while True:
        with GpuControl(SETTINGS) as gpu:
            for _ in range(25):
                gpu.apply({name: draw.choice(values) for name, values in LEVELS.items()})
                if how != "loop":
                    gpu.apply({name: values[1] for name, values in LEVELS.items()})
                    print("changed", flush=True)
                if how == "raise":
                    raise RuntimeError("as an engine might")
                if how in {"wait", "handler"}:
                    time.sleep(60)


if __name__ == "__main__":
    main(*sys.argv[1:])
