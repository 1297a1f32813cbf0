"""A command of the user's own is told its arguments, and its output is metrics or a cause."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from test_worker import is_gone

from tuner.engines import CommandEngine
from tuner.errors import UserError
from tuner.measure import InterruptedRun, Measurement


def arguments(load=None, request=None, harness=None, hardware=None):
    return SimpleNamespace(
        load=load or {}, request=request or {}, harness=harness or {}, hardware=hardware or {}
    )


def python(program, *words, **options):
    return CommandEngine([sys.executable, "-c", program, *words], **options)


def telling(content, **options):
    return python(f"print({json.dumps(json.dumps(content))})", **options)


def measured(engine, **load):
    measurement = engine.measure(arguments(load))
    assert Measurement.from_dict(json.loads(json.dumps(measurement.to_dict()))) == measurement
    return measurement


ECHO = "import json, sys; print(json.dumps({'n': len(sys.argv), 'heard': sys.argv[1:]}))"


def heard(*words, **load):
    return measured(python(ECHO, *words, repeats=1), **load).in_force.details["heard"]


def test_names_stand_for_values():
    assert heard("{a}", "--b={b}", "{c.d}{a}", a=3, b=0.5, **{"c.d": "x y"}) == [
        "3",
        "--b=0.5",
        "x y3",
    ]


def test_switches_are_words_as_in_json():
    assert heard("{a}", "{b}", a=True, b=False) == ["true", "false"]


def test_words_without_a_value_are_left_out():
    assert heard("{a}", "--b={b}", "c", a=1) == ["1", "c"]


def test_the_whole_configuration_is_json():
    (word,) = heard("{configuration}", a=1, b="x", c=True)
    assert json.loads(word) == {"a": 1, "b": "x", "c": True}


def test_no_shell_sees_the_command():
    assert heard("$HOME;", "`id`", "{a}", "{}", '{"k": {a}}', a="$(id) && 'x") == [
        "$HOME;",
        "`id`",
        "$(id) && 'x",
        "{}",
        '{"k": $(id) && \'x}',
    ]


def test_a_template_is_split_as_a_shell_would():
    engine = CommandEngine(f"{sys.executable} -c \"{ECHO}\" 'a b' {{x}}", repeats=1)
    assert measured(engine, x=1).in_force.details["heard"] == ["a b", "1"]


def test_every_role_of_arguments_is_told():
    engine = python(ECHO, "{a}{b}{c}{d}", repeats=1)
    measurement = engine.measure(arguments({"a": 1}, {"b": 2}, {"c": 3}, {"d": 4}))
    assert measurement.in_force.details["heard"] == ["1234"]


def test_numbers_are_metrics_in_known_units():
    measurement = measured(telling({"mean_e2el_ms": 12, "output_throughput": 3.5, "size": 2}))
    assert measurement.validity == "valid"
    assert {n: (m.value, m.unit) for n, m in measurement.metrics.items()} == {
        "mean_e2el_ms": (12.0, "ms"),
        "output_throughput": (3.5, "tok/s"),
        "size": (2.0, "1"),
    }
    assert measurement.metrics["size"].repeats == (2.0, 2.0, 2.0)
    assert measurement.metrics["size"].source == "command"
    assert measurement.seconds > 0


def test_runs_are_repeats_with_an_interval(tmp_path):
    program = (
        "import sys, pathlib; p = pathlib.Path(sys.argv[1]); n = len(p.read_text()) if p.exists() "
        "else 0; p.write_text('x' * (n + 1)); print('{\"size\": %d}' % n)"
    )
    engine = python(program, str(tmp_path / "n"), repeats=3)
    size = measured(engine).metrics["size"]
    assert size.repeats == (0.0, 1.0, 2.0)
    assert (size.value, size.n) == (1.0, 3)
    assert size.low < 1.0 < size.high
    assert size.sem == pytest.approx(3**-0.5)


def test_units_repeats_and_errors_may_be_told():
    told = {
        "energy": {"value": 3, "unit": "kJ", "sem": 0.5},
        "mean_e2el_ms": {"repeats": [1, 2, 3]},
        "note": "warm",
        "absent": None,
    }
    measurement = measured(telling(told, repeats=1))
    energy, latency = measurement.metrics["energy"], measurement.metrics["mean_e2el_ms"]
    assert (energy.value, energy.unit, energy.sem) == (3.0, "kJ", 0.5)
    assert energy.high == pytest.approx(3 + 1.96 * 0.5, abs=1e-3)
    assert (latency.value, latency.n, latency.repeats) == (2.0, 3, (1.0, 2.0, 3.0))
    assert measurement.in_force.details["note"] == "warm"
    assert "absent" not in measurement.metrics


@pytest.mark.parametrize("source", [None, "rapl"])
def test_joules_say_where_they_come_from_if_the_command_does(source):
    told = {"energy_j": 5.0, "mean_e2el_ms": 1.0}
    measurement = measured(telling(told | ({"energy_source": source} if source else {})))
    assert (measurement.energy and measurement.energy.energy_source) == source
    assert measurement.metrics["energy_j"].source == (source or "command")
    assert measurement.metrics["mean_e2el_ms"].source == "command"


def test_only_the_last_line_has_to_be_json():
    program = "print('loading'); print('{\"old\": 1}'); print('{\"size\": 1}')"
    assert set(measured(python(program)).metrics) == {"size"}
    pretty = "import json; print(json.dumps({'size': 1}, indent=2))"
    assert set(measured(python(pretty)).metrics) == {"size"}


FAILURES = [
    ("import sys; sys.exit('ValueError: no such dtype')", "refused", "no such dtype"),
    ("import sys; print('bad usage'); sys.exit(2)", "refused", "status 2"),
    ("import sys; sys.exit('it fell over')", "crash", "it fell over"),
    ("import os; os.kill(os.getpid(), 11)", "crash", "signal 11"),
    ("raise MemoryError", "out_of_memory", "MemoryError"),
    ("pass", "wrong_output", "no JSON object"),
    ("print('[1]')", "wrong_output", "no JSON object"),
    ("print('{}')", "wrong_output", "no metric"),
    ("print('{\"size\": NaN}')", "wrong_output", "size is told as nan"),
    ('print(\'{"size": {"value": "3"}}\')', "wrong_output", "no number"),
    ('print(\'{"size": {"value": true}}\')', "wrong_output", "no number"),
    ('print(\'{"mean_e2el_ms": {"value": 1, "unit": "s"}}\')', "wrong_output", "in ms, not in s"),
    ('print(\'{"energy_j": 1, "energy_source": "guess"}\')', "wrong_output", "guess"),
    (
        'print(\'{"error": "out_of_memory", "message": "too large"}\')',
        "out_of_memory",
        "too large",
    ),
    ('import sys; print(\'{"error": "tired"}\'); sys.exit(7)', "crash", "tired"),
]


@pytest.mark.parametrize(("program", "cause", "words"), FAILURES)
def test_what_is_no_measurement_has_a_cause(program, cause, words):
    measurement = measured(python(program))
    assert measurement.failure.cause == cause
    assert words in measurement.failure.message
    assert measurement.validity == "invalid"
    assert measurement.metrics == {}


def test_a_command_without_end_is_a_hang_and_ends_with_its_children():
    program = (
        "import subprocess, sys, time; p = subprocess.Popen(['sleep', '600'], "
        "start_new_session=True); print('child', p.pid, file=sys.stderr, flush=True); "
        "time.sleep(600)"
    )
    measurement = measured(python(program, limit_s=1.0))
    assert measurement.failure.cause == "hang"
    assert "no end within 1 s" in measurement.failure.message
    assert is_gone(int(measurement.failure.message.split("child ")[1].split()[0]))


def test_a_command_is_ended_when_there_is_no_time_for_it():
    engine = python("import time; print('{\"size\": 1}', flush=True); time.sleep(60)")
    ends = time.monotonic() + 0.5
    with pytest.raises(InterruptedRun):
        engine.measure(arguments({}), keep_going=lambda: time.monotonic() < ends)
    assert time.monotonic() < ends + 10
    quick = python("print('{\"size\": 1}')")
    assert quick.measure(arguments({}), repeats=2).metrics["size"].n == 2


class Space:
    """Two decisions, one of them with another name for the engine."""

    parameters = (
        SimpleNamespace(name="size", argument="batch_size"),
        SimpleNamespace(name="threads", argument="threads"),
        SimpleNamespace(name="group", argument=""),
    )
    default = None

    def arguments(self, configuration):
        return arguments({"model": "m"}, {"batch_size": 1}, {"threads": 2})


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("run {batch_size} {threads} {colour}", "uses {colour}, which the space does not decide"),
        ("run {batch_size}", "never hears of threads"),
        ("run {size} {threads}", "uses {size}"),
        ("", "empty"),
        ("run 'a", "cannot be split"),
    ],
)
def test_a_template_that_does_not_fit_the_space_is_the_users_mistake(template, words):
    with pytest.raises(UserError, match=words):
        CommandEngine(template, space=Space())


@pytest.mark.parametrize("template", ["run {batch_size} {threads} {model}", "run {configuration}"])
def test_a_template_that_fits_is_taken(template):
    CommandEngine(template, space=Space())


def test_a_program_that_is_not_there_is_the_users_mistake():
    with pytest.raises(UserError, match="/no/such/program cannot be started"):
        CommandEngine("/no/such/program").measure(arguments())


def test_nothing_is_left_when_the_tuner_is_killed(tmp_path):
    pids = tmp_path / "pids"
    program = (
        "import os, subprocess, time; p = subprocess.Popen(['sleep', '600']); "
        f"open({str(pids) + '.new'!r}, 'w').write('%d %d' % (os.getpid(), p.pid)); "
        f"os.rename({str(pids) + '.new'!r}, {str(pids)!r}); time.sleep(600)"
    )
    tuner = (
        "from types import SimpleNamespace as N; from tuner.engines import CommandEngine\n"
        f"CommandEngine([{sys.executable!r}, '-c', {program!r}]).measure("
        "N(load={}, request={}, harness={}, hardware={}))"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", tuner],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    while not pids.exists():
        assert parent.poll() is None
        time.sleep(0.02)
    parent.kill()
    parent.wait()
    assert all(is_gone(int(pid)) for pid in pids.read_text().split())
