"""Answers beside those of flamapy and of Ganak, an exact counter in compiled code.

Both live in another environment (flamapy is GPL), whose Python `TUNER_PEERS_PYTHON` names;
`.ci/run` makes it. They ignore numbers, so that Boolean models alone are compared; of the shipped
spaces it is checked that flamapy reads them.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from feature_oracle import random_text

from tuner.features import (
    FeatureModel,
    Solver,
    compile_model,
    core,
    dead,
    false_optional,
    read_uvl,
)

ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("TUNER_SHARED", ROOT.parent / "shared"))
PYTHON = os.environ.get("TUNER_PEERS_PYTHON")
SPACES = sorted((ROOT / "spaces").glob("*.uvl"))

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON, reason="TUNER_PEERS_PYTHON names no Python with flamapy"),
]


def asked(paths: Sequence[Path]) -> list[dict]:
    """What the peers answer about each model."""
    program = Path(__file__).with_name("feature_peer.py")
    done = subprocess.run(
        [str(PYTHON), str(program), *map(str, paths)], capture_output=True, text=True, check=True
    )
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert len(answers) == len(paths)
    return answers


def ours(model: FeatureModel) -> dict:
    solver = Solver(model)
    found = {
        "features": sorted(model.features),
        "count": str(compile_model(model).count),
        "satisfiable": solver.satisfiable(),
    }
    if found["satisfiable"]:
        found["core"] = sorted(core(solver))
        found["dead"] = sorted(dead(solver))
        found["false_optional"] = sorted(false_optional(solver))
    return found


def agree(model: FeatureModel, theirs: dict) -> None:
    if "false_optional" in theirs:  # flamapy names those too that are dead or that `[n]` forces
        forced = {
            n for n, (_, group) in model.parent_groups.items() if group.lower >= len(group.features)
        }
        left = set(theirs["false_optional"]) - set(theirs["dead"]) - forced
        theirs["false_optional"] = sorted(left)
    if "bdd_count" in theirs:
        assert theirs.pop("bdd_count") == theirs["count"]
    assert theirs == ours(model)


@pytest.mark.parametrize("name", ["pc_richmond", "tankwar", "uclibc", "busybox_1.18.0"])
def test_public_models_are_answered_as_by_the_peers(name):
    path = SHARED / "models" / f"{name}.uvl"
    if not path.exists():
        pytest.skip(f"{path} is not here")
    agree(read_uvl(path), asked([path])[0])


@pytest.mark.parametrize(("size", "constraints", "n"), [(12, 4, 120), (40, 5, 60), (120, 8, 20)])
def test_generated_models_are_answered_as_by_the_peers(size, constraints, n, tmp_path):
    paths = []
    for seed in range(n):
        text = random_text(seed, features=size, constraints=constraints, boolean=True)
        paths.append(tmp_path / f"generated{seed}.uvl")
        paths[-1].write_text(text)
    answers = asked(paths)
    assert sum(answer["satisfiable"] for answer in answers) > n / 4
    assert size > 30 or sum("bdd_count" in answer for answer in answers) > n / 4
    for path, theirs in zip(paths, answers, strict=True):
        agree(read_uvl(path), theirs)


@pytest.mark.parametrize("path", SPACES, ids=lambda path: path.stem)
def test_shipped_spaces_are_read_by_flamapy(path):
    assert asked([path])[0] == {"features": sorted(read_uvl(path).features)}
