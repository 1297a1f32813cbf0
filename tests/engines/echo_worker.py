"""A child for `test_worker.py` that does as it is told: answers, breaks, hangs or eats memory."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from tuner.engines.worker_side import Channel, limit_memory


def main() -> None:
    channel = Channel(int(sys.argv[1]))

    def beat_for(seconds: float) -> str:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            channel.beat()
            time.sleep(0.05)
        return "done"

    def step_until_stopped(step_s: float) -> int:
        steps = 0
        while channel.beat():
            time.sleep(step_s)
            steps += 1
        return steps

    def spawn() -> int:
        return subprocess.Popen(["sleep", "600"]).pid

    def eat(n_bytes: int) -> int:
        return len(bytearray(n_bytes))

    def shout() -> None:
        print("terminate called after throwing an instance of 'std::bad_alloc'", flush=True)
        os.abort()

    def raise_(words: str) -> None:
        raise ValueError(words)

    def sleep(seconds: float) -> None:
        time.sleep(seconds)

    def leave(status: int) -> None:
        os._exit(status)

    channel.serve(
        {
            "echo": lambda text: text,
            "limit": limit_memory,
            "sleep": sleep,
            "beat_for": beat_for,
            "step_until_stopped": step_until_stopped,
            "exit": leave,
            "spawn": spawn,
            "eat": eat,
            "shout": shout,
            "raise": raise_,
        },
        lambda error: "out_of_memory" if isinstance(error, MemoryError) else "refused",
    )


if __name__ == "__main__":
    main()
