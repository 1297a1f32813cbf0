"""Numbers, configurations and durations as people read them."""

from __future__ import annotations

import math
from collections.abc import Mapping

from tuner.space import Configuration, Value

MUCH_MORE = 1.0
"""An increase that may be this large or larger is called `much more`."""


def number(value: float, digits: int = 3) -> str:
    """A number with so many significant digits, without an exponent where that reads well.

    >>> number(0.012345), number(1234.5), number(0.0), number(98765432.0)
    ('0.0123', '1234', '0', '9.88e+07')
    """
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    size = math.floor(math.log10(abs(value)))
    if not -4 <= size <= 5:
        return f"{value:.{digits - 1}e}"
    text = f"{value:.{max(0, digits - 1 - size)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def quantity(value: float, unit: str, low: float | None = None, high: float | None = None) -> str:
    """A value with its unit and interval; shares become per cent.

    >>> quantity(0.953, "1", 0.9, 0.98), quantity(12.3456, "ms")
    ('95.3 % [90, 98]', '12.3 ms')
    """
    if unit == "1":
        value, unit = 100 * value, "%"
        low, high = (None if end is None else 100 * end for end in (low, high))
    text = f"{number(value)} {unit}".strip()
    if low is None or high is None:
        return text
    return f"{text} [{number(low)}, {number(high)}]"


def change(share: float | None, low: float | None = None, high: float | None = None) -> str:
    """A relative change in per cent with its interval.

    >>> change(-0.412, -0.45, -0.38), change(0.0), change(None)
    ('-41 % [-45, -38]', '0 %', '')
    """
    if share is None:
        return ""
    text = f"{_percent(share)} %"
    if low is None or high is None:
        return text
    return f"{text} [{_percent(low)}, {_percent(high)}]"


def unresolved_change(low: float | None, high: float | None) -> str:
    """What is known of a change whose interval does not say how large it is.

    >>> unresolved_change(-0.9, -0.4), unresolved_change(0.3, 5.0)
    ('not resolved: at least 40 % less', 'not resolved: at least 30 % more')
    >>> unresolved_change(-0.5, 0.2)
    'not resolved: at most 20 % more, perhaps up to 50 % less'
    >>> unresolved_change(None, None)
    'not resolved'
    """
    if low is None or high is None:
        return "not resolved"
    if high < 0:
        return f"not resolved: at least {-_percent_number(high)} % less"
    if low > 0:
        return f"not resolved: at least {_percent_number(low)} % more"
    if high > MUCH_MORE:
        return f"not resolved: perhaps up to {-_percent_number(low)} % less, perhaps much more"
    return (
        f"not resolved: at most {_percent_number(high)} % more, "
        f"perhaps up to {-_percent_number(low)} % less"
    )


def _percent_number(share: float) -> int:
    """Per cent, rounded towards 0: what is claimed holds."""
    return int(100 * share)


def _percent(share: float) -> str:
    per_cent = 100 * share
    places = 1 if abs(per_cent) < 9.95 and round(per_cent, 1) != round(per_cent) else 0
    text = f"{per_cent:+.{places}f}"
    return "0" if float(text) == 0 else text


def duration(seconds: float) -> str:
    """A duration in the two largest units.

    >>> duration(8.2), duration(75), duration(3700)
    ('8 s', '1:15 min', '1:01 h')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02d} h"


def value_text(value: Value | None) -> str:
    """A feature's value; `-` where it is not active."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def differences(configuration: Configuration, default: Mapping[str, Value]) -> str:
    """What a configuration sets differently from the default; inactive features are left out.

    >>> differences(Configuration.of({"batch": 8, "beams": 2}), {"batch": 1, "beams": 2})
    'batch 8'
    """
    changed = [
        f"{name} {value_text(value)}"
        for name, value in configuration.items()
        if default.get(name) != value
    ]
    return ", ".join(changed) or "as the default"
