"""What the models say at one moment of a study: where to measure next and what is left to gain.

Everything here is computed from a `History` and a seed alone, so that a study that was opened
again sees what it would have seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from tuner.search._acquisition import ehvi, gains
from tuner.search._candidates import best_candidates
from tuner.search._fitted import Fitted, one_thread
from tuner.search._history import History
from tuner.search._promises import Promises
from tuner.search.pareto import free_boxes, hypervolume, minimal
from tuner.space.contract import Codes, Space
from tuner.surrogates import Objective, Surrogate
from tuner.surrogates.level import Level, modelled

Floats = npt.NDArray[np.float64]

PADDING = 0.1
"""The reference point lies this share of the range behind the worst expectation."""
SAMPLES = 32
"""Joint samples from which the remaining gain is judged."""
SAMPLED = 64
"""Best candidates in each of them."""
CHANCES = 256
"""Joint samples of these from which the chance is judged that anything keeps the levels."""
LIKELY = 0.8
"""The remaining gain is a bound that holds with this probability."""
NEAREST = 8
"""Configurations nearest to keeping the levels, around which to look while none keeps them."""


@dataclass(frozen=True)
class Outlook:
    """A fitted view of a study.

    Attributes:
        codes: candidates, best first, `N x p`; a measured one stands for measuring it again.
        gains: expected gain of each in hypervolume, failures and levels weighed in, length N.
        volume: hypervolume of the expected front, in the same (standardised) units.
        surrogate: the processes behind it, pending measurements imagined.
        front: expected values of the front, `k x m`, standardised and minimised; empty while
            nothing keeps the levels.
        reference: reference point of the hypervolume, length m.
        promises: the service levels.

    """

    codes: Codes
    gains: Floats
    volume: float
    surrogate: Surrogate
    front: Floats
    reference: Floats
    promises: Promises

    def remaining_gain(self, seed: int) -> float:
        """Share of the front's hypervolume that measuring the best candidates would add.

        A bound that holds with probability `LIKELY`, over joint samples of the processes. Where
        already the best single candidate is expected to add more than that is worth sampling
        for, that expectation is the answer. While nothing keeps the levels, it is the share of
        the samples in which one of the best candidates does.
        """
        if not len(self.codes):
            return 0.0
        best = np.argsort(-self.gains, kind="stable")[:SAMPLED]
        with one_thread():
            count = SAMPLES if len(self.front) else CHANCES
            sampled = self._samples(self.codes[best], count, seed)
        kept = self.promises.kept(sampled)
        if not len(self.front):
            return float(kept.any(1).mean())
        added = np.where(kept[..., None], sampled[..., : self.front.shape[1]], np.inf)
        shares = gains(added, self.front, self.reference) / self.volume
        return max(float(self.gains[best[0]]) / self.volume, float(np.quantile(shares, LIKELY)))

    def _samples(self, codes: Codes, count: int, seed: int) -> Floats:
        """Joint samples of all outputs at N configurations, `count x N x outputs`."""
        generator = torch.Generator().manual_seed(seed)
        draws = []
        for gp in self.surrogate.processes:
            mean, covariance = gp.joint(gp.distances.places(codes))
            values, vectors = torch.linalg.eigh(covariance)
            root = vectors * values.clamp_min(0.0).sqrt()
            noise = torch.randn(count, len(values), generator=generator, dtype=torch.float64)
            draws.append(mean + noise @ root.T)
        return torch.stack(draws, 2).numpy()


def look(
    space: Space,
    objectives: Sequence[Objective],
    levels: Sequence[Level],
    history: History,
    fitted: Fitted,
    seed: int,
) -> Outlook:
    """Rank what to measure next after a history, by the models fitted to it.

    The values of the history are those of `modelled(objectives, levels)`.
    """
    rng = np.random.default_rng([seed, 1, history.told, len(history.pending)])
    outputs, m = modelled(objectives, levels), len(objectives)
    with one_thread():
        surrogate = fitted.surrogate.imagine(history.pending)
        works, cost = fitted.works, fitted.cost
        promises = Promises.of(space, history, surrogate, outputs, levels)
        seen, doubt = surrogate.standardised(surrogate.codes)
        expected = seen[:, :m].numpy()
        on_front = _front(expected, promises.kept(seen.numpy()))
        front = expected[on_front]
        reference = reference_point(expected)
        boxes = free_boxes(front, reference)

        def gain(codes: Codes) -> Floats:
            mean, variance = surrogate.standardised(codes)
            found = ehvi(mean[:, :m], variance[:, :m].sqrt(), boxes)
            found = found * works.probability(codes) * promises.chance(mean, variance)
            return np.asarray(found, dtype=np.float64)

        def pace(codes: Codes) -> Floats:
            return gain(codes) / cost.seconds(codes)

        around = surrogate.codes[on_front]
        if not len(around):
            nearest = np.argsort(-promises.chance(seen, doubt).numpy(), kind="stable")
            around = surrogate.codes[nearest[:NEAREST]]
        codes, scores = best_candidates(space, pace, history.known, around, rng)
        if len(scores) and scores[0] <= 0:
            codes = rng.permutation(codes)
        again, worth = _repeats(surrogate, on_front, expected, reference, history)
        seconds = np.concatenate([cost.seconds(codes), cost.seconds(again)])
        scores = np.concatenate([scores, worth / seconds[len(codes) :]])
        order = np.argsort(-scores, kind="stable")
    return Outlook(
        codes=np.concatenate([codes, again])[order],
        gains=(scores * seconds)[order],
        volume=hypervolume(front, reference),
        surrogate=surrogate,
        front=front,
        reference=reference,
        promises=promises,
    )


def _front(points: Floats, kept: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Which points are non-dominated among those that keep the levels."""
    on_front = kept.copy()
    on_front[kept] = minimal(points[kept])
    return on_front


def reference_point(points: Floats) -> Floats:
    """A point behind the worst of all points, so that both ends of a front stay worth finding.

    Bad outliers are cut off before (`Outcome.cap`), so one absurd value cannot move it far.
    """
    best, worst = points.min(0), points.max(0)
    padded: Floats = worst + PADDING * np.maximum(worst - best, 1e-3)
    return padded


def _repeats(
    surrogate: Surrogate,
    on_front: npt.NDArray[np.bool_],
    expected: Floats,
    reference: Floats,
    history: History,
) -> tuple[Codes, Floats]:
    """Front configurations and what measuring each again is worth.

    After another measurement the expectation of a configuration moves by a normal amount whose
    variance is what its uncertainty loses by it; the expected hypervolume that the configuration
    adds to the rest of the front then exceeds what it adds now by the value of knowing better
    (Binois et al. 2019, "Replication or exploration?"). Repeats average the known noise of a
    measurement, not the learned remainder, which may be misfit: so what they are worth fades.
    """
    measured = np.arange(len(history.codes))
    places = measured[on_front[: len(history.codes)]]
    codes = history.codes[places]
    if not len(codes):
        return codes, np.empty(0)
    m = expected.shape[1]
    mean, variance = (t[:, :m] for t in surrogate.standardised(codes))
    noise = torch.tensor([gp.noise for gp in surrogate.processes[:m]], dtype=torch.float64)
    counts = torch.from_numpy(history.counts[places])
    single = surrogate.known[torch.from_numpy(places), :m] * counts[:, None]
    now_noise, next_noise = noise + single / counts[:, None], noise + single / (counts[:, None] + 1)
    others = 1 / (1 / variance - 1 / now_noise).clamp_min(1e-12)
    move = (variance - 1 / (1 / others + 1 / next_noise)).clamp_min(0.0).sqrt()
    worth = np.zeros(len(codes))
    for k, place in enumerate(places):
        rest = expected[on_front & (np.arange(len(expected)) != place)]
        boxes = free_boxes(rest, reference)
        later = ehvi(mean[k][None], move[k][None].clamp_min(1e-9), boxes)
        now = ehvi(mean[k][None], torch.full_like(mean[k][None], 1e-9), boxes)
        worth[k] = float(later - now)
    noisy = (single > 0).any(1).numpy()
    return codes[noisy], np.maximum(worth[noisy], 0.0)
