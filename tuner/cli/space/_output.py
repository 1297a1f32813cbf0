"""How answers about a feature model are printed: for people, or as JSON."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tuner.cli.space._options import MOST_DIGITS
from tuner.errors import UserError

if TYPE_CHECKING:
    from tuner.features import FeatureModel, Value


def print_answer(as_json: bool, answer: Mapping[str, Any], lines: Iterable[str]) -> None:
    """Print an answer as JSON, or else as lines."""
    if as_json:
        print(json.dumps(answer, indent=2, ensure_ascii=False))
        return
    for line in lines:
        print(line)


def print_configurations(
    model: FeatureModel, configurations: Sequence[Mapping[str, Value]], as_json: bool
) -> None:
    """Configurations as JSON, or as CSV with a column for every feature; empty: not selected."""
    if as_json:
        print(json.dumps(configurations, indent=2, ensure_ascii=False))
        return
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(model.features)
    for configuration in configurations:
        writer.writerow(shown(configuration.get(name), "") for name in model.features)


def check_digits(number: int) -> None:
    """Refuse a number that nobody could read."""
    digits = int(number.bit_length() * 0.30103) + 1
    if digits > MOST_DIGITS:
        raise UserError(f"a count has about {digits} digits, more than {MOST_DIGITS}: not shown")


def listed(values: Iterable[object]) -> str:
    """Values in one line."""
    return ", ".join(str(value) for value in values)


def shown(value: Value | None, missing: str = "not selected") -> str:
    """The value of a feature."""
    from tuner.features import value_text

    return missing if value is None else value_text(value)
