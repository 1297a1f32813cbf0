"""Runs on disk, as JSON lines: appended as they end, and not run again."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path

from problems import Problem
from pursuit import Run, Trouble, pursue


class Records:
    """The runs of a file, by problem, sampler, seed and trouble.

    Runs of the sampler `forget` are dropped from it: that one has changed since.
    """

    def __init__(self, path: Path, forget: str = "") -> None:
        self.path = path
        lines = path.read_text().splitlines() if path.exists() else []
        records = [r for r in map(json.loads, lines) if r["sampler"] != forget]
        if len(records) < len(lines):
            path.write_text("".join(json.dumps(r) + "\n" for r in records))
        self._runs = {_key(record): record for record in records}

    def ensure(
        self,
        problem: Problem,
        sampler: str,
        seed: int,
        budget: int,
        trouble: Trouble,
        until: float,
    ) -> None:
        """Run what is not there, or was ended before."""
        record = {
            "problem": problem.name,
            "sampler": sampler,
            "seed": seed,
            "trouble": {k: v for k, v in asdict(trouble).items() if v},
            "budget": budget,
            "until": until,
        }
        before = self._runs.get(_key(record))
        if before is not None and before["budget"] >= budget and before["until"] >= until:
            return
        record |= _packed(asdict(pursue(problem, sampler, seed, budget, trouble, until=until)))
        self._runs[_key(record)] = record
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as file:
            file.write(json.dumps(record) + "\n")

    def of(self, trouble: Trouble) -> dict[tuple[str, str], list[Run]]:
        """Runs with this trouble by problem and sampler, in the order of their seeds."""
        wanted = {k: v for k, v in asdict(trouble).items() if v}
        found = defaultdict(list)
        for record in sorted(self._runs.values(), key=lambda r: r["seed"]):
            if record["trouble"] == wanted:
                found[record["problem"], record["sampler"]].append(_run(record))
        return found


def shown(number: float) -> str:
    """A number, or a dash where it was never reached."""
    return f"{number:g}" if math.isfinite(number) else "-"


def _packed(run: dict) -> dict:
    """Only where the share grew: the measurement and the share from there on."""
    shares = run.pop("shares")
    grown = [[i + 1, s] for i, s in enumerate(shares) if i == 0 or s > shares[i - 1]]
    return run | {"measurements": len(shares), "grown": grown}


def _run(record: dict) -> Run:
    shares = [0.0] * record["measurements"]
    for at, share in record["grown"]:
        shares[at - 1 :] = [share] * (len(shares) - at + 1)
    names = set(Run.__dataclass_fields__) - {"shares"}
    return Run(shares=shares, **{name: record[name] for name in names})


def _key(record: dict) -> tuple:
    trouble = tuple(sorted(record["trouble"].items()))
    return record["problem"], record["sampler"], record["seed"], trouble
