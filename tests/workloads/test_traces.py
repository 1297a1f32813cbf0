"""Token-length traces: reading, scaling, sampling, binning."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.errors import UserError
from tuner.workloads import Grid, Trace, bins, read_lengths, read_trace, sample

SHARED = Path(os.environ.get("TUNER_SHARED", Path(__file__).parents[2] / "../shared"))
HEADER = "arrival_s,input_tokens,output_tokens\n"

lengths = st.integers(1, 20_000)
requests = st.lists(st.tuples(lengths, st.integers(1, 2_000)), min_size=1, max_size=60)


def trace_of(pairs, arrivals=None) -> Trace:
    inputs, outputs = zip(*pairs, strict=True)
    return Trace("made", inputs, outputs, arrivals)


@pytest.mark.parametrize(
    ("name", "n", "inputs", "outputs"),
    [("conv", 19_366, (1020, 4142), (129, 601)), ("code", 8_819, (1469, 7436), (13, 251))],
)
def test_the_public_traces_have_their_known_percentiles(name, n, inputs, outputs):
    path = SHARED / f"traces/azure2023_{name}.csv"
    if not path.exists():
        pytest.skip(f"{path} is not here")
    trace = read_trace(path)
    assert len(trace) == n
    for values, (median, p99) in ((trace.input_tokens, inputs), (trace.output_tokens, outputs)):
        assert round(np.quantile(values, 0.5)) == median
        assert round(np.quantile(values, 0.99)) == p99
    assert sum(one.n for one in bins(trace)) == n


@given(requests)
def test_every_request_is_in_one_bin_that_holds_its_lengths(pairs):
    grid, found = Grid(), bins(trace_of(pairs))
    assert sum(one.n for one in found) == len(pairs)
    assert sum(one.share for one in found) == pytest.approx(1)
    assert sum(one.input_total for one in found) == sum(i for i, _ in pairs)
    assert sum(one.output_total for one in found) == sum(o for _, o in pairs)
    assert len({one.corner for one in found}) == len(found)
    assert Counter(grid.corner(*pair) for pair in pairs) == {one.corner: one.n for one in found}
    for i, o in pairs:
        bound_i, bound_o = grid.corner(i, o)
        assert bound_i in grid.inputs
        assert bound_o in grid.outputs
        assert i <= bound_i or bound_i == 8192
        assert o <= bound_o or bound_o == 512
        assert bound_i < 2 * i or bound_i == 32
        assert bound_o < 2 * o or bound_o == 8
        assert grid.clamps(i, o) == (i > 8192 or o > 512)
    assert sum(one.clamped for one in found) == sum(grid.clamps(*pair) for pair in pairs)


def test_the_grid_is_that_of_the_paper_and_shrinks_with_the_lengths():
    assert Grid().inputs == (32, 64, 128, 256, 512, 1024, 2048, 4096, 8192)
    assert Grid().outputs == (8, 16, 32, 64, 128, 256, 512)
    assert Grid().scaled(4) == Grid((8, 2048), (2, 128))
    assert Grid().scaled(64) == Grid((1, 128), (1, 8))
    with pytest.raises(ValueError, match="powers of two"):
        Grid((30, 8192))


@given(requests, st.integers(1, 60), st.integers(0, 3))
def test_a_sample_keeps_the_shares_of_the_bins(pairs, n, seed):
    trace = trace_of(pairs, tuple(float(k) for k in range(len(pairs))))
    some = sample(trace, n, seed)
    assert len(some) == min(n, len(pairs))
    kept = {one.corner: one.n for one in bins(some)}
    for one in bins(trace):
        assert abs(kept.get(one.corner, 0) - one.share * len(some)) < 1
    left = Counter(pairs) - Counter(zip(some.input_tokens, some.output_tokens, strict=True))
    assert left.total() == len(pairs) - len(some)
    assert some.arrival_s[0] == 0
    assert list(some.arrival_s) == sorted(some.arrival_s)
    assert some == sample(trace, n, seed)


@given(requests, st.floats(0.1, 300))
def test_scaling_divides_and_never_reaches_zero(pairs, factor):
    trace = trace_of(pairs)
    small = trace.scaled(factor)
    for before, after in zip(trace.input_tokens, small.input_tokens, strict=True):
        assert after >= 1
        assert abs(after - before / factor) <= 0.5 or after == 1


@given(requests, st.integers(2, 5_000))
def test_a_fitted_trace_is_within_the_context_and_else_untouched(pairs, context):
    fitted, shortened = trace_of(pairs).fitted(context)
    after = list(zip(fitted.input_tokens, fitted.output_tokens, strict=True))
    assert all(i + o <= context and i >= 1 and o >= 1 for i, o in after)
    assert shortened == sum(a != b for a, b in zip(pairs, after, strict=True))
    assert shortened == sum(i + o > context for i, o in pairs)


def test_poisson_arrivals_have_the_rate_and_the_spread_of_a_poisson_process():
    trace = trace_of([(1, 1)] * 20_000).arriving(4.0, seed=1)
    assert trace.rate == pytest.approx(4.0, rel=0.03)
    gaps = [b - a for a, b in zip(trace.arrival_s, trace.arrival_s[1:], strict=False)]
    mean = sum(gaps) / len(gaps)
    spread = (sum((g - mean) ** 2 for g in gaps) / len(gaps)) ** 0.5
    assert spread == pytest.approx(mean, rel=0.05)
    assert trace.arriving(4.0, seed=1) == trace
    assert trace.arriving(4.0, seed=2) != trace
    assert trace.arriving(None).arrival_s is None


def test_a_trace_is_read_as_written(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("model," + HEADER + "a,10.5,100,20\n\na,12, 7 ,1\n")
    assert read_trace(path) == Trace("mine", (100, 7), (20, 1), (0.0, 1.5))


def test_a_trace_with_the_header_of_azure_is_read(tmp_path):
    path = tmp_path / "azure.csv"
    path.write_text(
        "TIMESTAMP,ContextTokens,GeneratedTokens\n"
        "2023-11-16 23:59:59.9799600,4808,10\n2023-11-17 00:00:01.4799600,3180,8\n"
    )
    trace = read_trace(path)
    assert trace.arrival_s == pytest.approx((0, 1.5))
    assert (trace.input_tokens, trace.output_tokens) == ((4808, 3180), (10, 8))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", ["line 1", "arrival_s,input_tokens,output_tokens"]),
        (HEADER, ["no requests"]),
        ("time,input,output\n0,1,2\n", ["line 1", "time,input,output"]),
        (HEADER + "0,1,2\n1,3\n", ["line 3", "2 fields"]),
        (HEADER + "0,1,2\n\n1,x,3\n", ["line 4", "'x'", "input"]),
        (HEADER + "0,1,0\n", ["line 2", "output", "failed"]),
        (HEADER + "0,1.5,3\n", ["line 2", "1.5", "whole"]),
        (HEADER + f"0,{'9' * 5000},3\n", ["line 2", "9999", "10,000,000"]),
        (HEADER + "0,1_000,3\n", ["line 2", "1_000"]),
        (HEADER + "soon,1,3\n", ["line 2", "soon", "seconds"]),
        (HEADER + "nan,1,3\n", ["line 2", "nan"]),
        (HEADER + "2,1,3\n1,1,3\n", ["line 3", "sort"]),
        (HEADER + '0,"1,3\n', ["line"]),
        ("TIMESTAMP,ContextTokens,GeneratedTokens\n17.3,1,2\n", ["line 2", "17.3", "2023-11-16"]),
    ],
)
def test_a_fault_in_a_trace_is_named_with_its_line(tmp_path, text, says):
    path = tmp_path / "trace.csv"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        read_trace(path)
    for part in ["trace.csv", *says]:
        assert part in str(caught.value)


def test_what_is_no_text_file_is_refused(tmp_path):
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    for name, says in (("missing.csv", "no trace"), ("binary.csv", "UTF-8"), (".", "cannot")):
        with pytest.raises(UserError, match=says):
            read_trace(tmp_path / name)


def test_the_first_requests_keep_their_bursts_and_replaced_arrivals_let_a_sample_be_taken(tmp_path):
    path = tmp_path / "t.csv"
    rows = [f"{k},{2 ** (k % 8)},{k + 1}\n" for k in range(100)]
    path.write_text(HEADER + "".join(rows))
    whole = read_trace(path)
    first = read_lengths(str(path), n=10)
    assert first.arrival_s == whole.arrival_s[:10]
    assert first.output_tokens == whole.output_tokens[:10]
    assert "first 10" in first.name
    sampled = read_lengths(str(path), n=10, rate="closed", seed=3)
    assert sampled.arrival_s is None
    assert max(sampled.output_tokens) > 10
    assert sampled.output_tokens == sample(whole, 10, seed=3).output_tokens
