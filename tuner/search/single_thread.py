"""Linear algebra on one thread: matrices of the size of a study only get slower on more.

The threads of scipy's BLAS are the costly ones: they wait for work in a loop, and L-BFGS-B calls
them for matrices of a few rows. That took more than half of the processor time of a suggestion.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache

import torch
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]


@contextmanager
def single_thread(seed: int | None = None) -> Iterator[None]:
    """Run torch and BLAS on one thread, and torch with a seed of its own where one is given.

    What acquisition functions draw then depends on the seed only, and the caller's random state
    stays as it was.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ExitStack() as stack:
            stack.enter_context(_libraries().limit(limits=1, user_api="blas"))
            if seed is not None:
                stack.enter_context(torch.random.fork_rng(devices=[]))
                torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(before)


@cache
def _libraries() -> ThreadpoolController:
    """The libraries with threads of their own; looking for them takes milliseconds."""
    import scipy.optimize  # noqa: F401  # it brings a BLAS

    return ThreadpoolController()
