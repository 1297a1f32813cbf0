"""Workloads from traces, files of prompts and distributions; what `tune workload` shows of them."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from tuner.cli import main
from tuner.errors import UserError
from tuner.workloads import Request, Workload, exact_fill, read_lengths, read_workload
from tuner.workloads.distributions import EXAMPLES

FILL = exact_fill(len)
TRACE = "arrival_s,input_tokens,output_tokens\n" + "".join(
    f"{k / 2},{40 + 90 * (k % 7)},{5 + 11 * (k % 5)}\n" for k in range(70)
)


@pytest.fixture
def trace(tmp_path):
    path = tmp_path / "made.csv"
    path.write_text(TRACE)
    return str(path)


@pytest.fixture
def prompts(tmp_path):
    def write(*lines):
        path = tmp_path / "made.jsonl"
        path.write_text("".join(line + "\n" for line in lines))
        return str(path)

    return write


def test_a_trace_becomes_requests_of_its_lengths(trace):
    work = read_workload(trace, fill=FILL)
    lengths = read_lengths(trace)
    assert len(work) == 70
    assert tuple(len(r.prompt) for r in work.requests) == lengths.input_tokens
    assert tuple(r.max_tokens for r in work.requests) == lengths.output_tokens
    assert all(r.min_tokens == r.max_tokens for r in work.requests)
    assert tuple(r.arrival_s for r in work.requests) == lengths.arrival_s
    assert len({r.prompt for r in work.requests}) == 70
    assert work.name == "made"
    assert work.grade(["anything"]) is None


def test_what_was_changed_is_in_the_name_and_in_the_requests(trace):
    work = read_workload(trace, fill=FILL, n=20, scale=4, rate=3.0, seed=1, context=100)
    assert len(work) == 20
    assert all(len(r.prompt) + r.max_tokens <= 100 for r in work.requests)
    assert work.requests[0].arrival_s == 0
    for part in ("made", "sample of 20", "lengths / 4", "3/s", "shortened to 100"):
        assert part in work.name
    assert work == read_workload(trace, fill=FILL, n=20, scale=4, rate=3.0, seed=1, context=100)
    assert work != read_workload(trace, fill=FILL, n=20, scale=4, rate=3.0, seed=2, context=100)


def test_arrivals_of_some_requests_count_from_the_first_of_them(trace):
    some = read_workload(trace, fill=FILL).select([10, 11, 14])
    assert [r.arrival_s for r in some.requests] == [0.0, 0.5, 2.0]
    closed = read_workload(trace, fill=FILL, rate="closed").select([3, 1])
    assert [r.arrival_s for r in closed.requests] == [None, None]


def test_prompts_come_as_they_are_written(prompts):
    path = prompts(
        '{"prompt": "a b", "max_tokens": 7, "min_tokens": 2, "arrival_s": 3}',
        "",
        '{"prompt": "c", "answer": "d", "arrival_s": 4.5}',
    )
    work = read_workload(path, fill=FILL)
    assert work == Workload("made", (Request("a b", 7, 2, 0.0), Request("c", None, None, 1.5)))
    closed = read_workload(path, fill=FILL, n=1, rate="closed")
    assert closed.requests == (Request("a b", 7, 2),)
    timed = read_workload(path, fill=FILL, rate=2)
    assert timed.requests[0].arrival_s == 0
    assert timed.requests[1].arrival_s > 0


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"prompt": ""}', ["line 2", '"prompt"']),
        ('{"promt": "a"}', ["line 2", '"prompt"']),
        ('["a"]', ["line 2", "object"]),
        ('{"prompt": "a",', ["line 2", "column"]),
        ('{"prompt": "a", "max_tokens": 0}', ["line 2", '"max_tokens"', "from 1"]),
        ('{"prompt": "a", "max_tokens": true}', ["line 2", '"max_tokens"']),
        ('{"prompt": "a", "max_tokens": 3, "min_tokens": 4}', ["line 2", '"min_tokens" 4']),
        ('{"prompt": "a"}', ["line 2", "every prompt or to none"]),
        ('{"prompt": "a", "arrival_s": 0.5}', ["line 2", "sort"]),
        ('{"prompt": "a", "arrival_s": "now"}', ["line 2", "seconds"]),
        ('{"prompt": "a", "arrival_s": NaN}', ["line 2", "seconds"]),
    ],
)
def test_a_fault_in_a_file_of_prompts_is_named_with_its_line(prompts, line, says):
    path = prompts('{"prompt": "a", "arrival_s": 1}', line)
    with pytest.raises(UserError) as caught:
        read_workload(path, fill=FILL)
    for part in ["made.jsonl", *says]:
        assert part in str(caught.value)


@pytest.mark.parametrize("kind", EXAMPLES)
def test_the_examples_of_distributions_work_and_reproduce(kind):
    work = read_workload(EXAMPLES[kind], fill=FILL, n=5, seed=4)
    assert len(work) == 5
    assert work == read_workload(EXAMPLES[kind], fill=FILL, n=5, seed=4)
    assert (work.requests[0].arrival_s is None) == ("rate" not in EXAMPLES[kind])


def test_distributions_have_the_percentiles_that_were_asked_for():
    drawn = read_lengths("lognormal:input=1020/4142,output=129/601", n=20_000)
    for values, median, p99 in (
        (drawn.input_tokens, 1020, 4142),
        (drawn.output_tokens, 129, 601),
    ):
        assert np.quantile(values, 0.5) == pytest.approx(median, rel=0.03)
        assert np.quantile(values, 0.99) == pytest.approx(p99, rel=0.06)
    even = read_lengths("uniform:input=64/256,output=16/64", n=5_000)
    assert (min(even.input_tokens), max(even.input_tokens)) == (64, 256)
    assert set(read_lengths("fixed:input=128,output=32").input_tokens) == {128}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("trace.txt", [".csv", ".jsonl", "lognormal:"]),
        ("normal:input=3/4,output=3/4", ["lognormal:"]),
        ("lognormal:", ["lognormal:input="]),
        ("lognormal:input=10,output=3/4", ["input", "median and 99th"]),
        ("lognormal:input=40/10,output=3/4", ["input", "median"]),
        ("lognormal:input=10/40", ["output", "median"]),
        ("fixed:input=0,output=3", ["input", "from 1"]),
        ("fixed:input=-3,output=3", ["input", "from 1"]),
        ("fixed:input=2,output=3,output=4", ["output=4", "fixed:"]),
        ("fixed:input=2,output=3,speed=4", ["speed=4", "fixed:"]),
        ("fixed:input=2,output=3,rate=fast", ["rate=fast", "rate=2"]),
        ("fixed:input=2,output=3,rate=0", ["0 requests a second"]),
        ("fixed:input=99999999,output=3", ["input", "from 1"]),
    ],
)
def test_a_text_that_names_no_workload_is_answered_with_how_to_write_it(text, says):
    with pytest.raises(UserError) as caught:
        read_workload(text, fill=FILL)
    for part in says:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"n": 0}, "empty"),
        ({"scale": 0}, "positive"),
        ({"scale": float("nan")}, "positive"),
        ({"rate": -1.0}, "not positive"),
    ],
)
def test_settings_that_make_no_sense_are_refused(trace, settings, says):
    with pytest.raises(UserError, match=says):
        read_workload(trace, fill=FILL, **settings)


def test_the_lengths_of_texts_cannot_be_divided(prompts):
    path = prompts('{"prompt": "a", "max_tokens": 3}')
    for read in (
        lambda: read_workload(path, fill=FILL, scale=2),
        lambda: read_lengths(path, scale=2),
    ):
        with pytest.raises(UserError, match="cannot be divided"):
            read()


def shown(capsys, monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["tune", "workload", "show", *words])
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as caught:
        main()
    out, err = capsys.readouterr()
    return caught.value.code, out, err


def test_a_trace_is_shown_with_its_percentiles_and_bins(trace, capsys, monkeypatch):
    code, out, _ = shown(capsys, monkeypatch, trace)
    assert code == 0
    for part in ("made", "70 requests", "median", "310", "arrivals", "512", "32"):
        assert part in out
    assert max(map(len, out.splitlines())) <= 80


def test_the_json_has_every_figure(trace, capsys, monkeypatch):
    code, out, _ = shown(capsys, monkeypatch, trace, "--json", "--scale", "2")
    answer = json.loads(out)
    assert code == 0
    assert answer["requests"] == sum(one["n"] for one in answer["bins"]) == 70
    assert answer["input"]["median"] == 155
    assert answer["duration_s"] == 34.5


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("fixed:input=2,output=2,rate=1 -n 1", "1 request, all at once"),
        ("fixed:input=2,output=2", "1,000 requests, closed loop"),
        ("fixed:input=90000,output=90000,rate=0.001 -n 30", "a block is 10 min"),
        ("lognormal:input=9/9,output=9/10 --scale 1e6", "lengths / 1e+06"),
    ],
)
def test_odd_workloads_are_shown_and_drawn(what, says, tmp_path, capsys, monkeypatch):
    code, out, _ = shown(capsys, monkeypatch, *what.split(), "--plot", str(tmp_path / "odd.png"))
    assert code == 0
    assert says in out
    assert (tmp_path / "odd.png").exists()


def test_a_drawing_is_a_png_file(trace, tmp_path, capsys, monkeypatch):
    path = tmp_path / "bins.png"
    code, out, _ = shown(capsys, monkeypatch, trace, "--plot", str(path))
    assert code == 0
    assert "bins.png" in out.replace("\n", "")
    assert path.read_bytes().startswith(b"\x89PNG")


def test_prompts_are_counted_as_a_model_does_and_else_estimated(prompts, capsys, monkeypatch):
    path = prompts('{"prompt": "sort dcba:", "max_tokens": 4}')
    _, out, _ = shown(capsys, monkeypatch, path, "--json", "--model", "builtin:small")
    assert json.loads(out)["input"]["median"] == len("sort dcba:") + 1
    _, out, _ = shown(capsys, monkeypatch, path, "--json")
    assert "estimated" in json.loads(out)["name"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["missing.csv"], ["missing.csv", "check the path"]),
        (["fixed:input=2,output=2", "--plot", "x.pdf"], ["x.png"]),
        (["fixed:input=2,output=2", "--plot", "no/where.png"], ["no/where.png", "written"]),
        (["fixed:input=2,output=2", "-n", "0"], ["0 requests"]),
        (["fixed:input=2,output=2", "--model", "./nowhere"], ["./nowhere", "tokenizer"]),
    ],
)
def test_a_mistake_is_one_sentence_and_status_2(capsys, monkeypatch, words, says):
    code, _, err = shown(capsys, monkeypatch, *words)
    assert code == 2
    assert err.startswith("tune: ")
    assert len(err.splitlines()) == 1
    for part in says:
        assert part in err


def test_prompts_without_a_length_of_their_answers_cannot_be_shown(prompts, capsys, monkeypatch):
    code, _, err = shown(capsys, monkeypatch, prompts('{"prompt": "a"}'))
    assert code == 2
    assert '"max_tokens"' in err
