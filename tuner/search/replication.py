"""What measuring a front configuration again is worth."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from tuner.search.acquisition import ehvi
from tuner.search.dataset import Dataset
from tuner.search.expected_front import ExpectedFront
from tuner.search.pareto import free_boxes
from tuner.space.contract import Codes
from tuner.surrogates import Surrogate

Floats = npt.NDArray[np.float64]


def replication_value(
    surrogate: Surrogate, front: ExpectedFront, dataset: Dataset
) -> tuple[Codes, Floats]:
    """Noisy front configurations and the gain in hypervolume expected of measuring each again.

    After another measurement the expectation of a configuration moves by a normal amount whose
    variance is what its uncertainty loses by it; the expected hypervolume that the configuration
    adds to the rest of the front then exceeds what it adds now by the value of knowing better
    (Binois et al. 2019, "Replication or exploration?"). Repeats average the known noise of a
    measurement, not the learned remainder, which may be misfit: so what they are worth fades.
    """
    measured = np.arange(len(dataset.codes))
    indices = measured[front.on_front[: len(measured)]]
    codes = dataset.codes[indices]
    if not len(codes):
        return codes, np.empty(0)
    m = front.means.shape[1]
    mean, variance = (t[:, :m] for t in surrogate.moments(codes))
    noise = torch.stack([model.noise for model in surrogate.models[:m]])
    n = len(dataset.codes)  # behind these rows a model may have some of which it knows bounds
    known = torch.stack([model.known_variance[:n] for model in surrogate.models[:m]], 1)
    counts = torch.from_numpy(dataset.counts[indices])
    single = known[torch.from_numpy(indices)] * counts[:, None]
    now_noise, next_noise = noise + single / counts[:, None], noise + single / (counts[:, None] + 1)
    others = 1 / (1 / variance - 1 / now_noise).clamp_min(1e-12)
    move = (variance - 1 / (1 / others + 1 / next_noise)).clamp_min(0.0).sqrt()
    worth = np.zeros(len(codes))
    for k, index in enumerate(indices):
        rest = front.means[front.on_front & (np.arange(len(front.means)) != index)]
        boxes = free_boxes(rest, front.reference)
        later = ehvi(-mean[k][None], move[k][None].clamp_min(1e-9), boxes)
        now = ehvi(-mean[k][None], torch.full_like(mean[k][None], 1e-9), boxes)
        worth[k] = float(later - now)
    noisy = (single > 0).any(1).numpy()
    return codes[noisy], np.maximum(worth[noisy], 0.0)
