"""What is known at one moment of a study, as arrays."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from tuner.space.contract import Codes, Space
from tuner.surrogates import Objective

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Observation:
    """One finished measurement.

    Attributes:
        code: the configuration, shape `p`.
        values: metrics in the order of what is modelled (the objectives, then what service
            levels add); None where it failed.
        sems: standard errors of these, None where unknown.
        cause: why it failed.
        seconds: what it took before the first measured window, and from there on; None where
            unknown.
        bounds: the measurement was ended early, and each metric is known to be at least as bad as
            this; None where nothing is known of it.

    """

    code: Codes
    values: Sequence[float] | None = None
    sems: Sequence[float | None] | None = None
    cause: str | None = None
    seconds: tuple[float, float] | None = None
    bounds: Sequence[float | None] | None = None


@dataclass(frozen=True)
class Dataset:
    """Everything measured, failed or running, each configuration once.

    Attributes:
        codes: measured configurations `n x p`, in the order of their first measurement.
        values: their metrics `n x m`, repeats merged by their precision.
        sems: standard errors `n x m`; NaN where unknown.
        counts: how often each was measured, length n.
        failed: configurations that failed and never worked, `f x p`.
        causes: why, length f.
        ended: configurations whose measurement was ended early and never completed, `b x p`.
        bounds: what each of their metrics is at least as bad as, `b x m`; NaN where unknown.
        pending: configurations being measured, `q x p`.
        n_observations: how many observations there are, repeats and failures included.
        sequence: the configuration of every observation, in order, `n_observations x p`;
            empty where nobody asks what measurements take.
        seconds: of each of these before the first window and from there on,
            `n_observations x 2`; NaN where unknown.
        complete: which of these were not ended early, so that the seconds are all of it.
        meets_levels: which rows of `baseline` are expected to keep the service levels, length
            n + q; all of them until a model has said otherwise.
        limits: limits of interest on the outputs, transformed and minimised, length m; NaN where
            there is none, which is everywhere until a model has scaled them.

    """

    codes: Codes
    values: Floats
    sems: Floats
    counts: npt.NDArray[np.int64]
    failed: Codes
    causes: tuple[str, ...]
    ended: Codes
    bounds: Floats
    pending: Codes
    n_observations: int
    sequence: Codes
    seconds: Floats
    complete: npt.NDArray[np.bool_]
    meets_levels: npt.NDArray[np.bool_]
    limits: Floats

    @classmethod
    def of(
        cls,
        space: Space,
        outputs: Sequence[Objective],
        observations: Sequence[Observation],
        pending: Codes | None = None,
        *,
        timed: bool = False,
    ) -> Dataset:
        """Merge repeats; a measurement with a value that is not finite counts as failed."""
        p, m = len(space.parameters), len(outputs)
        groups: dict[bytes, list[Observation]] = {}
        broken: dict[bytes, tuple[Codes, str]] = {}
        ended: dict[bytes, list[Observation]] = {}
        for seen in observations:
            key = seen.code.tobytes()
            if seen.bounds is not None:
                ended.setdefault(key, []).append(seen)
            elif seen.values is not None and np.isfinite(seen.values).all():
                groups.setdefault(key, []).append(seen)
            else:
                broken.setdefault(key, (seen.code, seen.cause or "not a number"))
        broken = {key: entry for key, entry in broken.items() if key not in groups}
        ended = {key: group for key, group in ended.items() if key not in groups}
        merged = [_merge(group, m) for group in groups.values()]
        pending = _stack([], p) if pending is None else pending
        return cls(
            codes=_stack([group[0].code for group in groups.values()], p),
            values=np.array([v for v, _ in merged]).reshape(-1, m),
            sems=np.array([s for _, s in merged]).reshape(-1, m),
            counts=np.array([len(group) for group in groups.values()], dtype=np.int64),
            failed=_stack([code for code, _ in broken.values()], p),
            causes=tuple(cause for _, cause in broken.values()),
            ended=_stack([group[0].code for group in ended.values()], p),
            bounds=np.array([_tightest(group, outputs) for group in ended.values()]).reshape(-1, m),
            pending=pending,
            n_observations=len(observations),
            sequence=_stack([seen.code for seen in observations if timed], p),
            seconds=np.array(
                [seen.seconds or (np.nan, np.nan) for seen in observations if timed]
            ).reshape(-1, 2),
            complete=np.array([seen.bounds is None for seen in observations if timed], dtype=bool),
            meets_levels=np.ones(len(groups) + len(pending), dtype=bool),
            limits=np.full(m, np.nan),
        )

    @property
    def evaluated(self) -> Codes:
        """Configurations that need no first measurement: measured, failed, ended and pending."""
        return np.concatenate([self.codes, self.failed, self.ended, self.pending])

    @property
    def n_known(self) -> int:
        """Number of configurations of which something is known: measured or ended."""
        return len(self.codes) + len(self.ended)

    @property
    def baseline(self) -> Codes:
        """What a model is conditioned on, `(n + q) x p`: measured, then pending configurations."""
        return np.concatenate([self.codes, self.pending])

    @property
    def without_pending(self) -> Dataset:
        """The same without what is being measured."""
        measured = len(self.codes)
        return replace(self, pending=self.pending[:0], meets_levels=self.meets_levels[:measured])

    @property
    def key(self) -> bytes:
        """Equal for equal histories, different for different ones."""
        digest = hashlib.sha256(repr((self.n_observations, self.causes)).encode())
        known = (self.codes, self.values, self.sems, self.counts, self.failed, self.pending)
        for array in (*known, self.ended, self.bounds, self.sequence, self.seconds, self.complete):
            digest.update(repr(array.shape).encode() + np.ascontiguousarray(array).tobytes())
        return digest.digest()


def _merge(group: Sequence[Observation], m: int) -> tuple[Floats, Floats]:
    """Precision-weighted mean of repeats and its standard error; plain mean where one is unknown.

    The error of a mean is never taken below what the scatter of the repeats shows.
    """
    values = np.array([seen.values for seen in group], dtype=np.float64)
    sems = np.array(
        [
            [np.nan if s is None else s for s in seen.sems]
            if seen.sems is not None
            else [np.nan] * m
            for seen in group
        ],
        dtype=np.float64,
    )
    sems[~(sems > 0)] = np.nan
    if len(group) == 1:
        return values[0], sems[0]
    weights = np.where(np.isfinite(sems).all(0), 1 / sems**2, 1.0)
    mean = (weights * values).sum(0) / weights.sum(0)
    scatter = values.std(0, ddof=1) / np.sqrt(len(group))
    stated = np.where(np.isfinite(sems).all(0), 1 / np.sqrt(weights.sum(0)), np.nan)
    return mean, np.fmax(stated, scatter)


def _tightest(group: Sequence[Observation], outputs: Sequence[Objective]) -> list[float]:
    """The bound of each output that says most; NaN where there is none."""
    found = []
    for j, output in enumerate(outputs):
        bounds = [b for seen in group if (b := (seen.bounds or ())[j]) is not None]
        worst = max if output.direction == "min" else min
        found.append(worst(bounds, default=np.nan))
    return found


def _stack(codes: Sequence[Codes], p: int) -> Codes:
    return np.array(codes, dtype=np.int32).reshape(len(codes), p)
