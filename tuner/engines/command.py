"""A command of the user's own, which measures a configuration itself."""

from __future__ import annotations

import json
import math
import re
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tuner.engines.command_line import split_command
from tuner.engines.command_output import CommandOutput, combined, read_command_output
from tuner.engines.failure_log import classify_failure, error_excerpt
from tuner.engines.supervised import SupervisedProcess
from tuner.errors import UserError
from tuner.measure.engine_protocol import EngineFailure, InterruptedRun, KeepGoing
from tuner.measure.in_force import InForce
from tuner.measure.measurement import EnergyProvenance, Failure, Measurement
from tuner.metrics import is_energy_unit

if TYPE_CHECKING:
    from tuner.space.contract import Arguments, Space

_PLACEHOLDER = re.compile(r"\{([A-Za-z_][\w.]*)\}")
_ALL = "configuration"
_GRACE_S = 2.0
_LOOK_S = 0.1
"""How often it is asked whether to go on."""


class CommandEngine:
    """Runs a template command for each configuration and reads metrics from its standard output.

    `{name}` in a word stands for the value of an argument, `{configuration}` for all of them as a
    JSON object. A word with an argument that a configuration does not have is left out; write
    `--name={name}` for options that may be absent. No shell sees the command.

    The last line of the output (or all of it) is a JSON object of metrics: numbers, or objects with
    `value` or `repeats`, and `unit` and `sem` where they are known. Names of `METRICS` have their
    own units. `energy_source` tells the meter behind joules. `error` with one of the causes of
    failures, and `message`, tell that the configuration cannot run. Other texts are kept.

    Args:
        template: a command line, split as a shell would, or its words.
        space: its arguments are the names that the template may use; None checks nothing.
        limit_s: for one run of the command, which is then ended with all its children.
        repeats: runs for each measurement.

    Raises:
        UserError: the template cannot be split, uses a name that the space does not have, or
            leaves one out.

    """

    def __init__(
        self,
        template: str | Sequence[str],
        *,
        space: Space | None = None,
        limit_s: float = 600.0,
        repeats: int = 3,
    ) -> None:
        self._words = split_command(template) if isinstance(template, str) else list(template)
        if not self._words:
            raise UserError("the command is empty; write for instance 'python bench.py {threads}'")
        if space is not None:
            _check_names(self._words, space)
        self._limit_s = limit_s
        self._repeats = repeats

    def measure(
        self,
        arguments: Arguments,
        *,
        repeats: int | None = None,
        keep_going: KeepGoing | None = None,
    ) -> Measurement:
        """Run the command for a configuration.

        Args:
            arguments: the configuration.
            repeats: how many times; None for the usual number.
            keep_going: once it says no, the run under way is ended; those before it count.

        Raises:
            InterruptedRun: not even the first run came to its end.
        """
        told: list[CommandOutput] = []
        failure = None
        began = time.monotonic()
        try:
            for _ in range(repeats or self._repeats):
                told.append(self._run(arguments, keep_going))
        except EngineFailure as error:
            failure = error
        except InterruptedRun:
            if not told:
                raise
        return self._result(arguments, told, time.monotonic() - began, failure)

    def close(self) -> None:
        """Nothing: the command ends with each measurement."""

    def _run(self, arguments: Arguments, keep_going: KeepGoing | None) -> CommandOutput:
        argv = _filled(self._words, _values(arguments))
        with tempfile.TemporaryFile() as output:
            process = SupervisedProcess(argv, {}, grace_s=_GRACE_S, output=output)
            try:
                status = _wait(process, self._limit_s, keep_going)
                log, killed = process.log(), process.killed_for_memory
            finally:
                process.close()
            output.seek(0)
            text = output.read().decode(errors="replace")
        if status is None:
            raise EngineFailure("hang", f"no end within {self._limit_s:g} s: {error_excerpt(log)}")
        content = _last_object(text)
        if content is not None and "error" in content:
            raise _told_failure(content)
        if status != 0:
            how = f"signal {-status}" if status < 0 else f"status {status}"
            cause = classify_failure(log + text, status, served=False)
            words = error_excerpt(log or text)
            raise EngineFailure("out_of_memory" if killed else cause, f"ended with {how}: {words}")
        if content is None:
            raise EngineFailure("wrong_output", f"no JSON object at the end of {text[-200:]!r}")
        return read_command_output(content)

    def _result(
        self,
        arguments: Arguments,
        told: Sequence[CommandOutput],
        seconds: float,
        failure: EngineFailure | None,
    ) -> Measurement:
        in_force = InForce(
            engine="command",
            arguments=_values(arguments),
            command_line=tuple(_filled(self._words, _values(arguments))),
        )
        if failure is None:
            try:
                metrics = combined(told)
            except EngineFailure as contradiction:
                failure = contradiction
        if failure is not None:
            return Measurement(
                metrics={},
                validity="invalid",
                reasons=(str(failure),),
                failure=Failure(failure.cause, failure.message),
                seconds=seconds,
                in_force=in_force,
            )
        source = told[0].energy_source
        energy = None
        if source is not None and any(is_energy_unit(metric.unit) for metric in metrics.values()):
            window_s = seconds / len(told)
            energy = EnergyProvenance(source, "as the command says", 0.0, window_s)
        return Measurement(
            metrics=metrics,
            energy=energy,
            seconds=seconds,
            in_force=replace(in_force, details=dict(told[0].details)),
        )


def _wait(process: SupervisedProcess, limit_s: float, keep_going: KeepGoing | None) -> int | None:
    """How the process ended; None where it has not after so long."""
    ends = time.monotonic() + limit_s
    while (left := ends - time.monotonic()) > 0:
        if keep_going is not None and not keep_going():
            raise InterruptedRun
        status = process.wait(left if keep_going is None else min(left, _LOOK_S))
        if status is not None:
            return status
    return None


def filled_command(template: str, arguments: Arguments) -> list[str]:
    """The words of a command with the values of a configuration.

    Raises:
        UserError: the template cannot be split into words.
    """
    return _filled(split_command(template), _values(arguments))


def _check_names(words: Sequence[str], space: Space) -> None:
    """Check that the template can tell all that the space decides, and nothing else."""
    used = {name for word in words for name in _PLACEHOLDER.findall(word)}
    decided = {p.argument for p in space.parameters if p.argument}
    known = decided | set(_values(space.arguments(space.default))) | {_ALL}
    if strange := sorted(used - known):
        raise UserError(
            f"the command uses {{{strange[0]}}}, which the space does not decide; it decides "
            f"{', '.join(sorted(known - {_ALL}))}"
        )
    missing = sorted(decided - used)
    if missing and _ALL not in used:
        raise UserError(
            f"the command never hears of {', '.join(missing)}; use {{{missing[0]}}} or "
            f"{{{_ALL}}} in it, or fix the features with --set"
        )


def _values(arguments: Arguments) -> dict[str, Any]:
    return {
        **arguments.load,
        **arguments.request,
        **arguments.harness,
        **arguments.hardware,
    }


def _filled(words: Sequence[str], values: Mapping[str, Any]) -> list[str]:
    """The words with values in place of names; without words whose names have none."""
    values = {**values, _ALL: json.dumps(values)}
    return [
        _PLACEHOLDER.sub(lambda match: _text(values[match[1]]), word)
        for word in words
        if all(name in values for name in _PLACEHOLDER.findall(word))
    ]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _last_object(text: str) -> dict[str, Any] | None:
    """The JSON object that the output is, or that its last line is."""
    lines = text.strip().splitlines()
    for candidate in (text, lines[-1] if lines else ""):
        try:
            content = json.loads(candidate, parse_constant=lambda _: math.nan)
        except ValueError:
            continue
        if isinstance(content, dict):
            return content
    return None


def _told_failure(content: Mapping[str, Any]) -> EngineFailure:
    message = str(content.get("message", content["error"]))
    for cause in ("out_of_memory", "refused", "crash", "hang", "wrong_output"):
        if content["error"] == cause:
            return EngineFailure(cause, message)
    return EngineFailure("crash", message)
