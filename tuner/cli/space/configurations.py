"""How many configurations there are, and which.

These commands answer about what `tune run` would search on this machine; `--raw` asks about the
file as it stands.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from tuner.cli.shared import AsJson
from tuner.cli.space._options import PATIENCE, All, File, Patience, Raw, Set, patient
from tuner.cli.space._output import check_digits, print_answer, print_configurations

if TYPE_CHECKING:
    from tuner.features import FeatureModel, Value


class Method(StrEnum):
    """How configurations are sampled."""

    UNIFORM = "uniform"
    WEIGHTED = "weighted"
    TWISE = "twise"
    MAXIMIN = "maximin"
    DISTANCE = "distance"
    ONEWISE = "onewise"


@patient
def count(
    file: File,
    given: Set = None,
    raw: Raw = False,
    every: All = False,
    patience: Patience = PATIENCE,
    as_json: AsJson = False,
) -> None:
    """Count exactly the configurations that `tune run` would search here."""
    from tuner.features import compile_model

    model = _asked(file, given, raw)
    n = compile_model(model, canonical=not every).count
    check_digits(n)
    print_answer(as_json, {"configurations": n, "of": _scope(raw)}, [str(n)])
    if not as_json:
        print(_sentence(file, given, raw), file=sys.stderr)


@patient
def commonality(
    file: File,
    given: Set = None,
    raw: Raw = False,
    every: All = False,
    patience: Patience = PATIENCE,
    as_json: AsJson = False,
) -> None:
    """Show for each feature the share of the configurations that have it."""
    from tuner.features import compile_model

    model = _asked(file, given, raw)
    compiled = compile_model(model, canonical=not every)
    shares = {name: float(share) for name, share in compiled.commonality().items()}
    values = {
        name: {
            str(value): n / compiled.count
            for value, n in zip(feature.domain, compiled.value_counts(name), strict=True)
        }
        for name, feature in model.features.items()
        if feature.typed
    }
    answer = {"commonality": shares, "values": values, "of": _scope(raw)}
    print_answer(as_json, answer, [f"{share:8.4f}  {name}" for name, share in shares.items()])


@patient
def list_(
    file: File,
    given: Set = None,
    n: Annotated[int, typer.Option("-n", help="How many at most.", min=1)] = 100,
    raw: Raw = False,
    every: All = False,
    patience: Patience = PATIENCE,
    as_json: AsJson = False,
) -> None:
    """List configurations that `tune run` would search here, in a fixed order."""
    import numpy as np

    from tuner.features import compile_model

    compiled = compile_model(_asked(file, given, raw), canonical=not every)
    rows = compiled.unrank(np.arange(min(n, compiled.count)))
    print_configurations(compiled.model, compiled.layout.configurations(rows), as_json)


@patient
def sample(
    file: File,
    given: Set = None,
    n: Annotated[int, typer.Option("-n", help="How many (not for covers).", min=1)] = 10,
    method: Annotated[Method, typer.Option(help="How.")] = Method.WEIGHTED,
    t: Annotated[int, typer.Option(help="Cover single choices, pairs or triples.")] = 2,
    seed: Annotated[int, typer.Option(help="The same seed gives the same sample.", min=0)] = 0,
    raw: Raw = False,
    patience: Patience = PATIENCE,
    as_json: AsJson = False,
) -> None:
    """Sample configurations that `tune run` would search here, as CSV or JSON."""
    model = _asked(file, given, raw)
    if method is Method.WEIGHTED and not raw:
        _check_possible(model)
        found = _drawn_as_by_the_tuner(file, given, n, seed)
    else:
        found = _sampled(model, n, method, t, seed)
    print_configurations(model, found, as_json)


def _check_possible(model: FeatureModel) -> None:
    """Refuse, in time, what has no configuration or is too entangled to be searched."""
    from tuner.errors import UserError
    from tuner.features import compile_model

    if not compile_model(model).count:
        raise UserError("the model has no valid configuration to draw: `explain` says why")


def _drawn_as_by_the_tuner(
    file: str, given: Sequence[str] | None, n: int, seed: int
) -> Sequence[Mapping[str, Value]]:
    """Weighted configurations, the same as the tuner draws for this seed."""
    import numpy as np

    from tuner.engines.registry import installed_version
    from tuner.space import engine_of, load_model, search_space

    model = load_model(file)
    version = installed_version(engine_of(model))
    space = search_space(model, pins=_pins(model, given, raw=False), engine_version=version)
    return space.selections(space.sample(n, np.random.default_rng(seed)))


def _sampled(
    model: FeatureModel, n: int, method: Method, t: int, seed: int
) -> Sequence[Mapping[str, Value]]:
    import numpy as np

    from tuner.features import ColumnLayout, by_distance, compile_model, cover, maximin, one_wise

    rng = np.random.default_rng(seed)
    if method is Method.TWISE:
        return ColumnLayout(model).configurations(cover(model, t, rng))
    compiled = compile_model(model)
    match method:
        case Method.MAXIMIN:
            rows = maximin(compiled, n, rng)
        case Method.DISTANCE:
            rows = by_distance(compiled, n, rng)
        case Method.ONEWISE:
            rows = one_wise(compiled)
        case _:
            rows = compiled.sample(n, rng, weighted=method is Method.WEIGHTED)
    return compiled.layout.configurations(rows)


def _asked(file: str, given: Sequence[str] | None, raw: bool) -> FeatureModel:
    """The feature model that a question is about: of a search here, or of the file."""
    from tuner.engines.registry import installed_version
    from tuner.space import engine_of, load_model, pinned_model, searched_model

    model = load_model(file)
    pins = _pins(model, given, raw)
    if raw:
        return pinned_model(model, pins, as_it_stands=True)
    version = installed_version(engine_of(model))
    return searched_model(model, pins=pins, engine_version=version)


def _pins(model: FeatureModel, given: Sequence[str] | None, raw: bool) -> dict[str, Value]:
    from tuner.features import parse_pins
    from tuner.space import environment_domains

    return parse_pins(model, given or (), domains={} if raw else environment_domains(model))


def _scope(raw: bool) -> str:
    return "file" if raw else "search"


def _sentence(file: str, given: Sequence[str] | None, raw: bool) -> str:
    """What a count is of."""
    among = f" with {', '.join(given)}" if given else ""
    if raw:
        return f"configurations of {file} as it stands{among}"
    return (
        f"configurations that `tune run` would search here{among}: what this machine and the file "
        "fix is left out (--raw counts the file as it stands)"
    )
