"""Several samplers side by side, as the terminal shows them."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

from rich.console import Console

from tuner.compare.comparison_view import comparison_view, summary
from tuner.search.replay import Replay


def run(sampler, seed, *log):
    n = len(log)
    return Replay(sampler, seed, tuple(range(n)), log, log, (0.25,) * n, None, None)


def shown(runs, width=80):
    console = Console(width=width, record=True, file=StringIO())
    console.print(comparison_view(runs, "it"))
    return console.export_text()


def row(text, sampler):
    return next(line.split() for line in text.splitlines() if line.strip().startswith(sampler))


def test_medians_stand_before_their_quartiles_and_what_was_not_reached_is_a_dash():
    runs = [
        run("one", 0, 0.5, 0.91, 0.96, 1.0),
        run("one", 1, 0.5, 0.6, 0.92, 0.96),
        run("one", 2, 0.5, 0.6, 0.7, 0.93),
        run("two", 0, 0.9, 0.9, 0.9, 0.9),
        run("two", 1, 0.9, 0.9, 0.9, 0.9),
        run("two", 2, 0.9, 0.9, 0.9, 0.9),
    ]
    text = shown(runs)
    assert "medians over 3 seeds (quartiles)" in text
    one = ["one", "3", "(2..4)", "4", "(3..-)", "-", "(4..-)", "96.0%", "-", "0.250"]
    assert row(text, "one") == one
    assert row(text, "two") == ["two", "1", "-", "-", "90.0%", "-", "0.250"]
    assert "…" not in text
    told = summary(runs)
    assert told["one"]["measurements_to"] == {"90%": 3, "95%": 4, "99%": None}


def test_one_seed_has_no_quartiles():
    text = shown([run("one", 0, 0.5, 1.0)])
    assert "quartiles" not in text
    assert row(text, "one") == ["one", "2", "2", "2", "100.0%", "-", "0.250"]


def test_the_median_stop_counts_the_runs_that_went_on():
    def ended(seed, at):
        return replace(run("one", seed, 0.5, 0.6, 0.7, 0.8), stopped_at=at)

    most = shown([ended(0, 2), ended(1, 3), ended(2, None)])
    assert row(most, "one")[-2] == "3"
    few = shown([ended(0, 2), ended(1, None), ended(2, None)])
    assert row(few, "one")[-2] == "-"
