"""Torch on one thread: matrices of the size of a study only get slower on more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def single_thread(seed: int | None = None) -> Iterator[None]:
    """Run torch on one thread, and with a seed of its own where one is given.

    What acquisition functions draw then depends on the seed only, and the caller's random state
    stays as it was.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        if seed is None:
            yield
        else:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                yield
    finally:
        torch.set_num_threads(before)
