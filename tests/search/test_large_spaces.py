"""Spaces with more than 10^12 configurations: what is proposed, and what it is computed from."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tuner.space import load_space
from tuner.surrogates._distance import DistanceTables


@pytest.mark.parametrize("name", ["transformers", "vllm", "sglang", "llama_cpp"])
def test_distances_between_values_are_those_of_points(name):
    """Otherwise the covariance of many configurations is none, and fitting fails."""
    parameters = load_space(name).parameters
    for table in DistanceTables.of(parameters, range(len(parameters))).tables:
        centring = torch.eye(len(table), dtype=torch.float64) - 1 / len(table)
        gram = -0.5 * centring @ table @ centring
        assert np.linalg.eigvalsh(gram.numpy()).min() > -1e-9
