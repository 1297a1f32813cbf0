"""Numbers as people read them."""

from __future__ import annotations

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.report import text


def test_the_examples_in_the_docstrings_hold():
    assert doctest.testmod(text).failed == 0


@given(st.floats(min_value=1e-12, max_value=1e12))
def test_a_shown_number_is_within_half_a_per_cent(value):
    assert float(text.number(value)) == pytest.approx(value, rel=0.0051)


@given(st.floats(-0.99, 50))
def test_a_shown_change_is_within_half_a_point(share):
    shown = float(text.change(share).removesuffix(" %"))
    assert shown == pytest.approx(100 * share, abs=0.51)
