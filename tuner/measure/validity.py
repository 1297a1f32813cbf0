"""Expectations that every measurement has to meet before anybody may believe it."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from tuner.measure.in_force import InForce
from tuner.measure.measurement import Metric, Validity
from tuner.measure.measurement_protocol import MeasurementProtocol
from tuner.measure.meters import Meter
from tuner.measure.passes import Pass, most_frequent
from tuner.workloads import Request

if TYPE_CHECKING:
    from tuner.space.contract import Arguments

_FEW_PROMPTS = 0.25
_IGNORED = ("ignored", "not valid", "will be skipped", "has no effect")


def check(
    passes: Sequence[Pass],
    metrics: Mapping[str, Metric],
    meter: Meter,
    protocol: MeasurementProtocol,
    *,
    requests: Sequence[Request],
    arguments: Arguments,
    in_force: InForce,
    warnings: Sequence[str] = (),
    all_prompts: bool = True,
) -> tuple[Validity, tuple[str, ...]]:
    """Whether a measurement is `valid`, or `suspect` or `invalid` and why.

    `all_prompts` says whether the passes should have answered a good part of the requests.
    """
    wrong = tuple(_contradictions(passes))
    if wrong:
        return "invalid", wrong
    warnings = (
        *warnings,
        *_failed(passes),
        *(_coverage(passes, len(requests)) if all_prompts else ()),
        *_lengths(passes, requests),
        *_noise(metrics, protocol),
        *_energy(passes, meter, protocol),
        *_not_in_force(arguments, in_force),
    )
    return ("suspect", warnings) if warnings else ("valid", ())


def _contradictions(passes: Sequence[Pass]) -> Iterator[str]:
    sizes = {one.n_asked for one in passes}
    if len(sizes) > 1:
        yield f"passes answered different numbers of requests: {sorted(sizes)}"
    uncounted = sum(c.n_output_tokens == 0 and c.text != "" for p in passes for c in p.completions)
    if uncounted:
        yield f"{uncounted} answers have text but no tokens"
    late = sum(
        c.ttft_s is not None and not 0 <= c.ttft_s <= c.latency_s
        for p in passes
        for c in p.completions
    )
    if late:
        yield f"{late} answers have their first token outside of their latency"


def _failed(passes: Sequence[Pass]) -> Iterator[str]:
    errors = [error for one in passes for error in one.errors]
    if errors:
        asked = sum(one.n_asked for one in passes)
        yield f"{len(errors)} of {asked} requests failed: {most_frequent(errors)}"


def _coverage(passes: Sequence[Pass], n_prompts: int) -> Iterator[str]:
    answered = len({index for one in passes for index in one.indices})
    if answered < _FEW_PROMPTS * n_prompts:
        yield f"only {answered} of {n_prompts} prompts were answered in the time allowed"


def _lengths(passes: Sequence[Pass], requests: Sequence[Request]) -> Iterator[str]:
    short = long = n = 0
    for one in passes:
        for index, completion in zip(one.indices, one.completions, strict=True):
            asked, got = requests[index], completion.n_output_tokens
            short += asked.min_tokens is not None and got < asked.min_tokens
            long += asked.max_tokens is not None and got > asked.max_tokens
            n += 1
    for wrong, words in ((short, "fewer"), (long, "more")):
        if wrong:
            yield f"{wrong} of {n} answers have {words} tokens than were asked for"


def _noise(metrics: Mapping[str, Metric], protocol: MeasurementProtocol) -> Iterator[str]:
    for name in ("joules_per_request", "mean_e2el_ms"):
        repeats = metrics[name].repeats if name in metrics else ()
        if len(repeats) < 2:
            continue
        cv = statistics.stdev(repeats) / statistics.fmean(repeats)
        if cv > protocol.max_cv:
            yield (
                f"{name} varied by {cv:.0%} between repeats (standard deviation over mean); "
                "was the machine busy with something else?"
            )


def _energy(passes: Sequence[Pass], meter: Meter, protocol: MeasurementProtocol) -> Iterator[str]:
    yield from dict.fromkeys(problem for one in passes for problem in one.reading.problems)
    readings = [one.reading for one in passes if one.reading.joules is not None]
    if not readings:
        yield f"the meter ({meter.source}) gave no energy"
        return
    coarse = max(reading.quantisation_rel for reading in readings)
    if coarse > protocol.max_quantisation_rel:
        yield f"the meter's ticks can be wrong by {coarse:.0%} of a window this short"
    limits = meter.power_limits()
    for reading in readings:
        watts = (reading.joules or 0.0) / reading.seconds
        if limits is not None and not limits[0] <= watts <= limits[1]:
            yield f"a mean power of {watts:.1f} W is outside {limits[0]:.0f} to {limits[1]:.0f} W"
            return


def _not_in_force(arguments: Arguments, in_force: InForce) -> Iterator[str]:
    """Arguments that the engine has another value of, and what it says it ignores.

    The model is compared by the name in the configuration, never by where it was loaded from.
    """
    model = arguments.load.get("model", in_force.model_asked)
    if model != in_force.model_asked:
        yield f"model={model} was asked for, but {in_force.model_asked} is in force"
    for name, asked in {**arguments.load, **arguments.harness}.items():
        found = in_force.arguments.get(name, asked)
        if found != asked and name != "model" and not (name == "dtype" and asked == "auto"):
            yield f"{name}={asked} was asked for, but {found} is in force"
    for warning in in_force.warnings:
        if any(word in warning for word in _IGNORED):
            yield f"the engine warned: {warning}"
