"""How steady this machine is: the same job again and again, on all cores at once."""

from __future__ import annotations

import hashlib
import os
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

_BLOCK = bytes(1 << 20)
_REPEAT_S = 0.1
QUIET, NOISY = 0.02, 0.10
"""Coefficients of variation of wall time below which a machine is quiet, and above which noisy."""


@dataclass(frozen=True)
class MachineNoise:
    """How much the time of a fixed job varies.

    Attributes:
        wall_cv: standard deviation over mean of its wall time, which latencies suffer from.
        cpu_cv: the same of its CPU time, which estimated energies suffer from.
        repeats: how often it was done.
        cores: on how many cores at once.
        load: what else ran: the load average of the last minute, before the job.

    """

    wall_cv: float
    cpu_cv: float
    repeats: int
    cores: int
    load: float

    @property
    def verdict(self) -> str:
        """In a word: `quiet`, `usable` or `noisy`."""
        if self.wall_cv < QUIET:
            return "quiet"
        return "usable" if self.wall_cv < NOISY else "noisy"


def machine_noise(seconds: float = 5.0) -> MachineNoise:
    """Do a fixed job for so many seconds, all cores waiting for the slowest, as engines do."""
    load = os.getloadavg()[0]
    cores = len(os.sched_getaffinity(0))
    walls: list[float] = []
    cpus: list[float] = []
    with ThreadPoolExecutor(cores) as pool:
        blocks = _blocks_for(_REPEAT_S)
        ends = time.perf_counter() + seconds
        while time.perf_counter() < ends or len(walls) < 3:
            began, cpu = time.perf_counter(), time.process_time()
            for future in [pool.submit(_hash, blocks) for _ in range(cores)]:
                future.result()
            walls.append(time.perf_counter() - began)
            cpus.append(time.process_time() - cpu)
    return MachineNoise(_cv(walls), _cv(cpus), len(walls), cores, load)


def _blocks_for(seconds: float) -> int:
    """How many blocks take about so long on one core: the fastest of a few tries."""
    times = []
    for _ in range(5):
        began = time.perf_counter()
        _hash(4)
        times.append(time.perf_counter() - began)
    return max(1, round(4 * seconds / min(times)))


def _hash(blocks: int) -> None:
    """Work that leaves the interpreter's lock alone, so that threads run side by side."""
    digest = hashlib.sha256()
    for _ in range(blocks):
        digest.update(_BLOCK)


def _cv(values: list[float]) -> float:
    return statistics.stdev(values) / statistics.fmean(values)
